/** What was found in the frames, from the first frame on without a gap. */

import { Change } from "./change.js";

/** @typedef {import("../js/boxes.js").Detection} Detection */
/** @typedef {{frame_index: number, pts_us: number, detections: Detection[]}} Result */

export class ResultStore {
  /** @type {Result[]} */
  #results = [];
  #total = Infinity;
  #change = new Change();

  /** How many have arrived, which is the index of the first one that is missing. */
  get size() {
    return this.#results.length;
  }

  /**
   * Keep those that come next; repeated ones are left out.
   * @param {Result[]} results
   */
  add(results) {
    for (const result of results) {
      if (result.frame_index === this.size) this.#results.push(result);
    }
    this.#change.notify();
  }

  /**
   * The video has that many frames.
   * @param {number} total
   */
  end(total) {
    this.#total = total;
    this.#change.notify();
  }

  /**
   * The result of a frame, once it is there; null when the video ends before. Rejects when
   * `signal` is aborted.
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
