/** Sends a file in chunks, and resumes after the connection was lost. */

import { Backoff } from "./backoff.js";
import { delay } from "./delay.js";

/**
 * @typedef {object} Receiver
 * @property {(chunk: Blob, offset: number, progress: (sentBytes: number) => void) =>
 *   Promise<{accepted: boolean, offset: number | null}>} patch append a chunk. Returns the offset to
 *   continue at, or null if the receiver could not tell. Rejects if the file is refused
 * @property {() => Promise<number | null>} receivedBytes null if the receiver cannot be reached
 */

/**
 * Send the file from `offset` on. Retries lost connections until `signal` is aborted.
 * @param {Blob} file
 * @param {Receiver} receiver
 * @param {object} options
 * @param {number} options.offset
 * @param {number} options.chunkBytes
 * @param {AbortSignal} options.signal
 * @param {(step: "sending" | "reading" | "waiting", share: number) => void} options.progress
 */
export async function sendChunks(file, receiver, { offset, chunkBytes, signal, progress }) {
  const backoff = new Backoff();
  /** @param {number} sentBytes of the current chunk */
  const report = (sentBytes) => {
    const share = Math.min(1, (offset + sentBytes) / file.size);
    // The response to the last chunk comes after the server has read the whole file.
    progress(share < 1 ? "sending" : "reading", share);
  };
  while (true) {
    const chunk = file.slice(offset, offset + chunkBytes);
    const answer = await receiver.patch(chunk, offset, report);
    if (answer.accepted && answer.offset === file.size) return;
    if (answer.offset === null) {
      progress("waiting", offset / file.size);
      await delay(backoff.next(), signal);
      offset = (await receiver.receivedBytes()) ?? offset;
    } else {
      offset = answer.offset;
      backoff.reset();
    }
  }
}
