/** Waiting times between retries: each twice the one before, up to a limit. */

const FIRST_MS = 500;
const LONGEST_MS = 8000;

export class Backoff {
  #nextMs = FIRST_MS;

  /** Whether there was a retry since the last `reset`. */
  get isRetrying() {
    return this.#nextMs > FIRST_MS;
  }

  /** @returns {number} milliseconds to wait before the next retry */
  next() {
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(2 * waitMs, LONGEST_MS);
    return waitMs;
  }

  /** Start again with the shortest time, after a success. */
  reset() {
    this.#nextMs = FIRST_MS;
  }
}
