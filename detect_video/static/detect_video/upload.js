/**
 * Sends a video's file in parts. What the server has is asked of the server: an upload that broke
 * off goes on where it stopped, in this page or in another.
 */

import { requestJson } from "../js/api.js";
import { patchChunk, receivedBytes } from "./chunks.js";

/** @import * as sha2 from "@noble/hashes/sha2.js" */
/** @typedef {import("./video.js").Video} Video */
/**
 * @typedef {object} Settings
 * @property {string} api
 * @property {number} chunkBytes
 * @property {string} sha256Url of the module that computes it; without one, none is sent
 * @property {AbortSignal} signal
 * @property {(step: "checking" | "sending" | "reading" | "waiting", share: number) => void} progress
 */

const CHECKED_AT_ONCE_BYTES = 4 * 2 ** 20;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;

/**
 * Send the file, or what the server has not of it. Throws `Problem` when it is refused, and an
 * `AbortError` when `signal` is aborted.
 * @param {File} file
 * @param {Settings} settings
 * @returns {Promise<Video>}
 */
export async function sendVideo(file, settings) {
  const sha256 = settings.sha256Url ? await checkFile(file, settings) : "";
  const body = { name: file.name, size_bytes: file.size, ...(sha256 && { sha256 }) };
  const { api, signal } = settings;
  /** @type {Video} */
  const video = await requestJson(api, { method: "POST", body, signal });
  if (video.state !== "uploading") return video;
  await sendChunks(file, video, settings);
  return requestJson(video.urls.self, { signal });
}

/**
 * @param {File} file
 * @param {Settings} settings
 * @returns {Promise<string>} the SHA-256 in hexadecimal digits
 */
async function checkFile(file, { sha256Url, signal, progress }) {
  /** @type {typeof sha2} */
  const { sha256 } = await import(sha256Url);
  const hash = sha256.create();
  for (let offset = 0; offset < file.size; offset += CHECKED_AT_ONCE_BYTES) {
    signal.throwIfAborted();
    progress("checking", offset / file.size);
    const part = await file.slice(offset, offset + CHECKED_AT_ONCE_BYTES).arrayBuffer();
    hash.update(new Uint8Array(part));
  }
  return Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Send what is missing; a broken connection is tried again until `signal` is aborted.
 * @param {File} file
 * @param {Video} video
 * @param {Settings} settings
 */
export async function sendChunks(file, video, { chunkBytes, signal, progress }) {
  const url = video.urls.upload;
  let offset = video.received_bytes;
  let waitMs = FIRST_WAIT_MS;
  /** @param {number} sentBytes of the part on its way */
  const report = (sentBytes) => {
    const share = (offset + sentBytes) / file.size;
    // The answer to the last part comes when the server has read the video.
    progress(share < 1 ? "sending" : "reading", Math.min(share, 1));
  };
  while (true) {
    const chunk = file.slice(offset, offset + chunkBytes);
    const answer = await patchChunk(url, chunk, { offset, signal, progress: report });
    if (answer.accepted && answer.offset === file.size) return;
    if (answer.offset === null) {
      progress("waiting", offset / file.size);
      await pause(waitMs, signal);
      waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
      offset = (await receivedBytes(url, signal)) ?? offset;
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
