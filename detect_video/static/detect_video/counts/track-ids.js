/** The track ids of the frames of a video, as far as they are known. */

/** @typedef {(number | null)[]} Ids of a frame's detections, in their order; null if unconfirmed */

export class TrackIds {
  /** @type {Ids[]} */
  #frames = [];

  /** The number of frames. */
  get size() {
    return this.#frames.length;
  }

  clear() {
    this.#frames = [];
  }

  /**
   * Replace the ids from a frame on.
   * @param {{from_frame: number, track_ids: Ids[]}} answer of the server
   */
  replace({ from_frame, track_ids }) {
    this.#frames.length = Math.min(this.#frames.length, from_frame);
    for (const ids of track_ids) this.#frames.push(ids);
  }

  /** @param {number} frameIndex */
  of(frameIndex) {
    return /** @type {Ids | undefined} */ (this.#frames[frameIndex]);
  }
}
