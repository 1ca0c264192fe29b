/** The loop that shows one frame after the other; pausing it stops nothing but the picture. */

import { Clock } from "./clock.js";
import { FpsMeter } from "./fps.js";

/** @typedef {import("./sources.js").Frame} Frame */
/** @typedef {import("./sources.js").FrameSource} FrameSource */

export class Player {
  clock = new Clock();
  isPlaying = false;
  /** The index of the frame that is drawn next. */
  next = 0;
  #fps = new FpsMeter();
  /** Frames to be drawn although the player pauses. */
  #owed = 0;
  /** @type {Frame | null} decoded, but not drawn */
  #ready = null;
  /** @type {AsyncGenerator<Frame> | null} */
  #frames = null;
  #leaving = new AbortController();
  /** @type {FrameSource | null} */
  source = null;
  hasEnded = false;

  /**
   * @param {object} actions
   * @param {(frame: Frame) => void} actions.draw
   * @param {() => void} actions.changed it plays or pauses now
   * @param {(reason: unknown) => void} actions.fail the source has no frames any more
   */
  constructor(actions) {
    this.actions = actions;
  }

  /**
   * Take the frames from `source`, beginning with the one that is next.
   * @param {FrameSource} source
   */
  use(source) {
    this.source = source;
    this.#open(this.next);
  }

  play() {
    if (this.hasEnded) this.#open(0);
    this.isPlaying = true;
    this.clock.restart();
    this.actions.changed();
  }

  pause() {
    this.isPlaying = false;
    this.#owed = 0;
    this.actions.changed();
  }

  /** Draw one more frame and no other. */
  step() {
    if (this.isPlaying) this.pause();
    if (!this.hasEnded) this.#owed += 1;
  }

  /** The index of the frame that is shown, or will be at once; -1 before the first. */
  get place() {
    return this.next - 1 + this.#owed;
  }

  /**
   * Go on at another frame; while the player pauses, that one is drawn.
   * @param {number} frameIndex
   */
  seek(frameIndex) {
    this.#open(frameIndex);
    this.#owed = this.isPlaying ? 0 : 1;
    this.clock.restart();
  }

  /**
   * @param {number} nowMs
   * @returns {number} frames drawn in the last second
   */
  fps(nowMs) {
    return this.#fps.rate(nowMs);
  }

  /**
   * Draw the next frame if it is due; to be called for each picture of the screen.
   * @param {number} nowMs
   */
  tick(nowMs) {
    const frame = this.#ready;
    if (!frame) return;
    if (this.isPlaying) {
      if (!this.clock.isDue(frame.pts_us, nowMs)) return;
    } else if (this.#owed > 0) {
      this.#owed -= 1;
    } else {
      return;
    }
    this.#ready = null;
    this.next = frame.frame_index + 1;
    this.#fps.count(nowMs);
    this.actions.draw(frame);
    frame.picture.close();
    this.#load();
  }

  /** @param {number} frameIndex */
  #open(frameIndex) {
    this.#leaving.abort();
    this.#leaving = new AbortController();
    this.#frames?.return(undefined).catch(() => {});
    this.#ready?.picture.close();
    this.#ready = null;
    this.hasEnded = false;
    this.next = frameIndex;
    this.#frames = this.source?.frames(frameIndex, this.#leaving.signal) ?? null;
    this.#load();
  }

  async #load() {
    const frames = this.#frames;
    if (!frames) return;
    try {
      const { value } = await frames.next();
      if (frames !== this.#frames) {
        value?.picture.close();
      } else if (value) {
        this.#ready = value;
      } else {
        this.hasEnded = true;
        this.pause();
      }
    } catch (reason) {
      if (frames === this.#frames) this.actions.fail(reason);
    }
  }
}
