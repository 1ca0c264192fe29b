/** Requests of an upload: one part of the file, or what the server has of it. */

import { Problem, problemText, requestHeaders } from "../js/api.js";

// Not now, or not from whoever stands between the server and us; 0 stands for no answer.
const TEMPORARY = [0, 429, 502, 503, 504];

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
    const request = await this.#send(chunk, offset, progress);
    const wanted = request.getResponseHeader("Upload-Offset");
    if (wanted !== null) return { accepted: request.status === 204, offset: Number(wanted) };
    if (TEMPORARY.includes(request.status) || request.getResponseHeader("Retry-After")) {
      return { accepted: false, offset: null };
    }
    const { status, statusText, responseText } = request;
    throw new Problem(await problemText(new Response(responseText, { status, statusText })));
  }

  async receivedBytes() {
    try {
      const answer = await fetch(this.url, {
        method: "HEAD",
        cache: "no-store",
        signal: this.signal,
      });
      const offset = answer.headers.get("Upload-Offset");
      return offset === null ? null : Number(offset);
    } catch {
      this.signal.throwIfAborted();
      return null;
    }
  }

  /**
   * `fetch` does not tell how much of a body is sent; this request does.
   * @param {Blob} chunk
   * @param {number} offset
   * @param {(sentBytes: number) => void} progress
   * @returns {Promise<XMLHttpRequest>} at its end
   */
  #send(chunk, offset, progress) {
    const { url, signal } = this;
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const stop = () => request.abort();
      request.open("PATCH", url);
      const headers = {
        ...requestHeaders(),
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": String(offset),
      };
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", ({ loaded }) => progress(loaded));
      request.addEventListener("loadend", () => {
        signal.removeEventListener("abort", stop);
        if (signal.aborted) reject(signal.reason);
        else resolve(request);
      });
      signal.addEventListener("abort", stop);
      request.send(chunk);
    });
  }
}
