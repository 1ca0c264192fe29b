/** A condition that asynchronous code can wait for. */

export class Change {
  /** @type {Set<() => void>} */
  #waiting = new Set();

  /** Wake all waiting code. */
  notify() {
    const woken = this.#waiting;
    this.#waiting = new Set();
    woken.forEach((wake) => wake());
  }

  /**
   * Resolves at the next `notify`. Rejects if `signal` is aborted.
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  wait(signal) {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(wake);
        reject(signal.reason);
      };
      if (signal.aborted) {
        giveUp();
        return;
      }
      this.#waiting.add(wake);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }
}
