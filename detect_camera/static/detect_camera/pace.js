/** How many frames are under way, how good they are, and how fast they come: pure arithmetic. */

const WINDOW_MS = 2000;

/** Events of the last two seconds, as a rate. */
export class Rate {
  constructor() {
    /** @type {number[]} */
    this.times_ms = [];
  }

  /** @param {number} now_ms */
  count(now_ms) {
    this.times_ms.push(now_ms);
  }

  /**
   * @param {number} now_ms
   * @returns {number} events per second
   */
  perSecond(now_ms) {
    this.times_ms = this.times_ms.filter((time_ms) => now_ms - time_ms < WINDOW_MS);
    return this.times_ms.length / (WINDOW_MS / 1000);
  }
}

/** A mean that forgets: each value counts a tenth less than the one after it. */
export class Smooth {
  constructor() {
    /** @type {number | null} */
    this.value = null;
  }

  /** @param {number} value */
  add(value) {
    this.value = this.value === null ? value : this.value * 0.9 + value * 0.1;
  }
}

// Each is about half the bytes of the next one.
export const LEVELS = [
  { side: 256, quality: 0.5 },
  { side: 320, quality: 0.6 },
  { side: 416, quality: 0.65 },
  { side: 640, quality: 0.7 },
];
const SLOW_NETWORK_MS = 200;
const FAST_NETWORK_MS = 80;

/**
 * The level of size and quality for a network that takes so long.
 * @param {number} level an index of `LEVELS`
 * @param {number} network_ms of a frame's way there and back, without the server's work
 * @returns {number}
 */
export function nextLevel(level, network_ms) {
  if (network_ms > SLOW_NETWORK_MS) return Math.max(0, level - 1);
  if (network_ms < FAST_NETWORK_MS) return Math.min(LEVELS.length - 1, level + 1);
  return level;
}

const TRIAL_MS = 3000;
const SETTLED_MS = 30_000;
const WORTHWHILE = 1.1;
const BEARABLE = 1.3;

/**
 * One frame under way, or two: tries both in turn, and stays with two where that gives more
 * frames without making them older.
 */
export class Depth {
  /** @param {number} now_ms */
  constructor(now_ms) {
    this.depth = 1;
    this.until_ms = now_ms + TRIAL_MS;
    this.isTrial = true;
    /** @type {Record<number, {frames: number, delay_ms: number}>} */
    this.seen = {};
    this.frames = 0;
    this.delays_ms = 0;
  }

  /**
   * Note a drawn frame; every few seconds this changes the depth.
   * @param {number} now_ms
   * @param {number} delay_ms from its capture
   */
  drawn(now_ms, delay_ms) {
    this.frames += 1;
    this.delays_ms += delay_ms;
    if (now_ms < this.until_ms) return;
    this.seen[this.depth] = { frames: this.frames, delay_ms: this.delays_ms / this.frames };
    if (!this.isTrial) {
      this.isTrial = true;
      this.depth = 1;
    } else if (this.depth === 1) {
      this.depth = 2;
    } else {
      this.isTrial = false;
      this.depth = this.best();
    }
    this.until_ms = now_ms + (this.isTrial ? TRIAL_MS : SETTLED_MS);
    this.frames = 0;
    this.delays_ms = 0;
  }

  best() {
    const { 1: one, 2: two } = this.seen;
    const isWorthwhile = two.frames > one.frames * WORTHWHILE;
    const isBearable = two.delay_ms < one.delay_ms * BEARABLE;
    return isWorthwhile && isBearable ? 2 : 1;
  }
}
