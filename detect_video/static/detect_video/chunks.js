/** Requests of an upload: one part of the file, or what the server has of it. */

import { Problem, problemText, requestHeaders } from "../js/api.js";

// Not now, or not from whoever stands between the server and us.
const TEMPORARY = [0, 429, 502, 503, 504];

/**
 * Send the part of a file that begins at `offset`. Throws `Problem` when it is refused.
 * @param {string} url
 * @param {Blob} chunk
 * @param {{offset: number, signal: AbortSignal, progress: (sentBytes: number) => void}} options
 * @returns {Promise<{accepted: boolean, offset: number | null}>} where the server wants to go on;
 *   null when it has to be asked later
 */
export async function patchChunk(url, chunk, { offset, signal, progress }) {
  const request = await send(url, chunk, offset, signal, progress);
  const wanted = request.getResponseHeader("Upload-Offset");
  if (wanted !== null) return { accepted: request.status === 204, offset: Number(wanted) };
  if (TEMPORARY.includes(request.status) || request.getResponseHeader("Retry-After")) {
    return { accepted: false, offset: null };
  }
  const { status, statusText, responseText } = request;
  throw new Problem(await problemText(new Response(responseText, { status, statusText })));
}

/**
 * How many bytes the server has; null when it cannot be reached.
 * @param {string} url
 * @param {AbortSignal} signal
 */
export async function receivedBytes(url, signal) {
  try {
    const { headers } = await fetch(url, { method: "HEAD", cache: "no-store", signal });
    const offset = headers.get("Upload-Offset");
    return offset === null ? null : Number(offset);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/**
 * `fetch` does not tell how much of a body is sent; this request does.
 * @param {string} url
 * @param {Blob} chunk
 * @param {number} offset
 * @param {AbortSignal} signal
 * @param {(sentBytes: number) => void} progress
 * @returns {Promise<XMLHttpRequest>} at its end; its status is 0 when there was no answer
 */
function send(url, chunk, offset, signal, progress) {
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
