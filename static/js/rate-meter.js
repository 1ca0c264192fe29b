/** Counts events, such as drawn frames, and gives their rate over the last moments. */
export class RateMeter {
  /** @type {number[]} */
  #timesMs = [];

  /** @param {number} windowMs the time that the rate is measured over */
  constructor(windowMs) {
    this.windowMs = windowMs;
  }

  /** @param {number} nowMs */
  count(nowMs) {
    this.#timesMs.push(nowMs);
  }

  /**
   * @param {number} nowMs
   * @returns {number} events per second
   */
  perSecond(nowMs) {
    this.#timesMs = this.#timesMs.filter((timeMs) => nowMs - timeMs < this.windowMs);
    return this.#timesMs.length / (this.windowMs / 1000);
  }
}
