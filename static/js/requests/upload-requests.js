/** The requests of a resumable upload. */

import { Problem, problemText, upload } from "./api.js";

// The server, or a proxy before it, cannot answer now.
const TEMPORARY = [429, 502, 503, 504];

/** @typedef {import("./chunks.js").Receiver} Receiver */

/** @implements {Receiver} */
export class UploadRequests {
  /**
   * @param {string} url
   * @param {AbortSignal} signal
   */
  constructor(url, signal) {
    this.url = url;
    this.signal = signal;
  }

  /**
   * @param {Blob} chunk
   * @param {number} offset
   * @param {(sentBytes: number) => void} progress
   */
  async patch(chunk, offset, progress) {
    const response = await this.#send(chunk, offset, progress);
    const next = response?.headers.get("Upload-Offset") ?? null;
    if (next !== null) return { accepted: response?.status === 204, offset: Number(next) };
    const isTemporary =
      !response || TEMPORARY.includes(response.status) || response.headers.has("Retry-After");
    if (isTemporary) return { accepted: false, offset: null };
    throw new Problem(await problemText(response));
  }

  async receivedBytes() {
    try {
      const response = await fetch(this.url, {
        method: "HEAD",
        cache: "no-store",
        signal: this.signal,
      });
      const offset = response.headers.get("Upload-Offset");
      return offset === null ? null : Number(offset);
    } catch {
      this.signal.throwIfAborted();
      return null;
    }
  }

  /**
   * @param {Blob} chunk
   * @param {number} offset
   * @param {(sentBytes: number) => void} progress
   * @returns {Promise<Response | null>} null if there was no response
   */
  async #send(chunk, offset, progress) {
    try {
      return await upload(this.url, chunk, {
        method: "PATCH",
        headers: {
          "Content-Type": "application/offset+octet-stream",
          "Upload-Offset": String(offset),
        },
        signal: this.signal,
        onProgress: ({ loaded }) => progress(loaded),
      });
    } catch {
      this.signal.throwIfAborted();
      return null;
    }
  }
}
