/** Runs the newest of many tasks, of which only the last result matters. */

import { delay } from "./delay.js";

export class Latest {
  #running = new AbortController();

  /** Abort the task that is running, or waits. */
  abort() {
    this.#running.abort();
  }

  /**
   * Start a task unless another one follows within the delay; the task before it is aborted.
   * @template T
   * @param {number} delayMs
   * @param {(signal: AbortSignal) => Promise<T>} task
   * @returns {Promise<T | null>} null if another task followed; throws what the task throws
   */
  async run(delayMs, task) {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    try {
      await delay(delayMs, signal);
      const result = await task(signal);
      return signal.aborted ? null : result;
    } catch (reason) {
      if (signal.aborted) return null;
      throw reason;
    }
  }
}
