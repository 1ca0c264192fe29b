/**
 * Resolves after a delay. Rejects with the signal's reason if it is aborted before.
 * @param {number} durationMs
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function delay(durationMs, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", cancel);
      resolve();
    }, durationMs);
    const cancel = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
  });
}
