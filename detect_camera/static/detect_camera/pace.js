/** Adapts to the network: frame size and quality, and how many frames are in flight. */

/** An exponentially weighted moving average. */
export class ExponentialAverage {
  /** @type {number | null} null before the first value */
  value = null;

  /** @param {number} value */
  add(value) {
    this.value = this.value === null ? value : this.value * 0.9 + value * 0.1;
  }
}

// Each level has about half the bytes of the next one.
export const LEVELS = [
  { side: 256, quality: 0.5 },
  { side: 320, quality: 0.6 },
  { side: 416, quality: 0.65 },
  { side: 640, quality: 0.7 },
];
const SLOW_NETWORK_MS = 200;
const FAST_NETWORK_MS = 80;

/**
 * Step one level down on a slow network, and one level up on a fast one.
 * @param {number} level an index of `LEVELS`
 * @param {number} networkMs a frame's round trip without the server's processing time
 * @returns {number}
 */
export function nextLevel(level, networkMs) {
  if (networkMs > SLOW_NETWORK_MS) return Math.max(0, level - 1);
  if (networkMs < FAST_NETWORK_MS) return Math.min(LEVELS.length - 1, level + 1);
  return level;
}

const TRIAL_MS = 3000;
const SETTLED_MS = 30_000;
const MIN_SPEEDUP = 1.1;
const MAX_SLOWDOWN = 1.3;

/**
 * Chooses between one and two frames in flight. It measures both in turn, and keeps two if they
 * give a higher frame rate at about the same latency.
 */
export class FramesInFlight {
  /** How many frames may be in flight now. */
  limit = 1;
  #isTrial = true;
  /** @type {Record<number, {frames: number, latencyMs: number}>} the last trial of each limit */
  #measured = {};
  #frames = 0;
  #latenciesMs = 0;

  /** @param {number} nowMs */
  constructor(nowMs) {
    this.untilMs = nowMs + TRIAL_MS;
  }

  /**
   * Count a drawn frame. At the end of a trial this changes the limit.
   * @param {number} nowMs
   * @param {number} latencyMs since the frame was captured
   */
  drawn(nowMs, latencyMs) {
    this.#frames += 1;
    this.#latenciesMs += latencyMs;
    if (nowMs < this.untilMs) return;
    this.#measured[this.limit] = {
      frames: this.#frames,
      latencyMs: this.#latenciesMs / this.#frames,
    };
    if (!this.#isTrial) {
      this.#isTrial = true;
      this.limit = 1;
    } else if (this.limit === 1) {
      this.limit = 2;
    } else {
      this.#isTrial = false;
      this.limit = this.#best();
    }
    this.untilMs = nowMs + (this.#isTrial ? TRIAL_MS : SETTLED_MS);
    this.#frames = 0;
    this.#latenciesMs = 0;
  }

  #best() {
    const { 1: one, 2: two } = this.#measured;
    const isFaster = two.frames > one.frames * MIN_SPEEDUP;
    const isAsFresh = two.latencyMs < one.latencyMs * MAX_SLOWDOWN;
    return isFaster && isAsFresh ? 2 : 1;
  }
}
