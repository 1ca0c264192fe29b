/** Plays the frames of a source. Detection on the server continues while the player is paused. */

import { RateMeter } from "../../js/rate-meter.js";
import { Clock } from "./clock.js";

/** @typedef {import("../sources.js").Frame} Frame */
/** @typedef {import("../sources.js").FrameSource} FrameSource */

const RATE_WINDOW_MS = 1000;

export class Player {
  clock = new Clock();
  isPlaying = false;
  /** The index of the next frame to draw. */
  next = 0;
  #drawnFrames = new RateMeter(RATE_WINDOW_MS);
  /** How many frames to draw while paused. */
  #steps = 0;
  /** @type {Frame | null} the next frame, once it is decoded */
  #ready = null;
  /** @type {AsyncGenerator<Frame> | null} */
  #frames = null;
  #reading = new AbortController();
  /** @type {FrameSource | null} */
  source = null;
  hasEnded = false;

  /**
   * @param {object} actions
   * @param {(frame: Frame) => void} actions.draw
   * @param {() => void} actions.changed `isPlaying` changed
   * @param {(reason: unknown) => void} actions.fail the source failed
   */
  constructor(actions) {
    this.actions = actions;
  }

  /**
   * Continue with the frames of another source.
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
    this.#steps = 0;
    this.actions.changed();
  }

  /** Pause, and draw one more frame. */
  step() {
    if (this.isPlaying) this.pause();
    if (!this.hasEnded) this.#steps += 1;
  }

  /** The index of the frame that is shown, or about to be; -1 before the first. */
  get position() {
    return this.next - 1 + this.#steps;
  }

  /**
   * Continue at another frame. While paused, this draws it.
   * @param {number} frameIndex
   */
  seek(frameIndex) {
    this.#open(frameIndex);
    this.#steps = this.isPlaying ? 0 : 1;
    this.clock.restart();
  }

  /**
   * @param {number} nowMs
   * @returns {number} frames drawn in the last second
   */
  fps(nowMs) {
    return this.#drawnFrames.perSecond(nowMs);
  }

  /**
   * Draw the next frame if it is due. Call this in every animation frame.
   * @param {number} nowMs
   */
  tick(nowMs) {
    const frame = this.#ready;
    if (!frame) return;
    if (this.isPlaying) {
      if (!this.clock.isDue(frame.pts_us, nowMs)) return;
    } else if (this.#steps > 0) {
      this.#steps -= 1;
    } else {
      return;
    }
    this.#ready = null;
    this.next = frame.frame_index + 1;
    this.#drawnFrames.count(nowMs);
    this.actions.draw(frame);
    frame.picture.close();
    this.#load();
  }

  /** @param {number} frameIndex */
  #open(frameIndex) {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#frames?.return(undefined).catch(() => {});
    this.#ready?.picture.close();
    this.#ready = null;
    this.hasEnded = false;
    this.next = frameIndex;
    this.#frames = this.source?.frames(frameIndex, this.#reading.signal) ?? null;
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
