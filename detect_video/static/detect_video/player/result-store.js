/** The results received so far, from the first frame on without a gap. */

import { Change } from "../change.js";

/** @typedef {import("../../js/drawing/boxes.js").Detection} Detection */
/** @typedef {{frame_index: number, pts_us: number, detections: Detection[]}} Result */

export class ResultStore {
  /** @type {Result[]} */
  #results = [];
  #total = Infinity;
  #change = new Change();

  /** The number of results, and the index of the first missing one. */
  get size() {
    return this.#results.length;
  }

  /**
   * The results from one frame to before another, as far as they have arrived.
   * @param {number} from
   * @param {number} to
   */
  slice(from, to) {
    return this.#results.slice(Math.max(0, from), to);
  }

  /**
   * Append the results that come next; others are ignored.
   * @param {Result[]} results
   */
  add(results) {
    for (const result of results) {
      if (result.frame_index === this.size) this.#results.push(result);
    }
    this.#change.notify();
  }

  /**
   * Set the number of frames, which is known at the end of detection.
   * @param {number} total
   */
  end(total) {
    this.#total = total;
    this.#change.notify();
  }

  /**
   * Wait for the result of a frame; null if the video has no such frame. Rejects if `signal` is
   * aborted.
   * @param {number} frameIndex
   * @param {AbortSignal} signal
   * @returns {Promise<Result | null>}
   */
  async at(frameIndex, signal) {
    while (frameIndex >= this.size) {
      if (frameIndex >= this.#total) return null;
      await this.#change.wait(signal);
    }
    return this.#results[frameIndex];
  }
}
