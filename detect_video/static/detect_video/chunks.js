/** Sends a file in parts, beginning with what the receiver has not. */

/**
 * @typedef {object} Receiver
 * @property {(chunk: Blob, offset: number, progress: (sentBytes: number) => void) =>
 *   Promise<{accepted: boolean, offset: number | null}>} patch add a part; the answer is where to
 *   go on, or null when that has to be asked later. Rejects when the file is refused
 * @property {() => Promise<number | null>} receivedBytes null when it cannot be reached
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;

/**
 * Send the file from `offset` on. A broken connection is tried again until `signal` is aborted.
 * @param {Blob} file
 * @param {Receiver} receiver
 * @param {object} options
 * @param {number} options.offset
 * @param {number} options.chunkBytes
 * @param {AbortSignal} options.signal
 * @param {(step: "sending" | "reading" | "waiting", share: number) => void} options.progress
 */
export async function sendChunks(file, receiver, { offset, chunkBytes, signal, progress }) {
  let waitMs = FIRST_WAIT_MS;
  /** @param {number} sentBytes of the part on its way */
  const report = (sentBytes) => {
    const share = Math.min(1, (offset + sentBytes) / file.size);
    // The answer to the last part comes when the server has read the whole file.
    progress(share < 1 ? "sending" : "reading", share);
  };
  while (true) {
    const chunk = file.slice(offset, offset + chunkBytes);
    const answer = await receiver.patch(chunk, offset, report);
    if (answer.accepted && answer.offset === file.size) return;
    if (answer.offset === null) {
      progress("waiting", offset / file.size);
      await pause(waitMs, signal);
      waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
      offset = (await receiver.receivedBytes()) ?? offset;
    } else {
      offset = answer.offset;
      waitMs = FIRST_WAIT_MS;
    }
  }
}

/**
 * @param {number} durationMs
 * @param {AbortSignal} signal ends the pause early, by rejecting
 * @returns {Promise<void>}
 */
function pause(durationMs, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, durationMs);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
