/** When each frame is due. */

// Up to two pictures of a usual screen: who is later than that will not catch up.
const LATE_MS = 34;

export class Clock {
  /** @type {number | null} when time stamp 0 would have been due; null: with the next frame */
  #baseMs = null;
  #speed = 1;

  /** @param {number} speed 2 for twice as fast */
  setSpeed(speed) {
    this.#speed = speed;
    this.restart();
  }

  /** The next frame that is asked for is due at once, the others follow it. */
  restart() {
    this.#baseMs = null;
  }

  /**
   * Whether the frame of that time stamp is due. One that is late moves all that follow: the
   * video gets slower, but no frame is left out.
   * @param {number} ptsUs in microseconds
   * @param {number} nowMs
   */
  isDue(ptsUs, nowMs) {
    const placeMs = ptsUs / 1000 / this.#speed;
    if (this.#baseMs === null || nowMs - (this.#baseMs + placeMs) > LATE_MS) {
      this.#baseMs = nowMs - placeMs;
    }
    return nowMs >= this.#baseMs + placeMs;
  }
}
