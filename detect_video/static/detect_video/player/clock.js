/** Decides when each frame is due. */

// Two refreshes of a 60 Hz screen. A later frame delays all that follow.
const LATE_MS = 34;

export class Clock {
  /**
   * When a frame with timestamp 0 is due; null if the next frame shall be due at once.
   * @type {number | null}
   */
  #baseMs = null;
  #speed = 1;

  /** @param {number} speed 1 for normal, 2 for double speed */
  setSpeed(speed) {
    this.#speed = speed;
    this.restart();
  }

  /** Make the next frame due at once; the others follow it. */
  restart() {
    this.#baseMs = null;
  }

  /**
   * Whether the frame with this timestamp is due. A late frame delays all that follow: the video
   * becomes slower, but no frame is skipped.
   * @param {number} ptsUs in microseconds
   * @param {number} nowMs
   */
  isDue(ptsUs, nowMs) {
    const offsetMs = ptsUs / 1000 / this.#speed;
    if (this.#baseMs === null || nowMs - (this.#baseMs + offsetMs) > LATE_MS) {
      this.#baseMs = nowMs - offsetMs;
    }
    return nowMs >= this.#baseMs + offsetMs;
  }
}
