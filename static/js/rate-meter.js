/** Frames drawn in the last second. */

const WINDOW_MS = 1000;

export class FpsMeter {
  /** @type {number[]} */
  #drawnMs = [];

  /**
   * One frame was drawn.
   * @param {number} nowMs
   */
  count(nowMs) {
    this.#drawnMs.push(nowMs);
  }

  /**
   * @param {number} nowMs
   * @returns {number} frames in the second before
   */
  rate(nowMs) {
    this.#drawnMs = this.#drawnMs.filter((drawnMs) => drawnMs > nowMs - WINDOW_MS);
    return this.#drawnMs.length;
  }
}
