/**
 * Uploads a video in chunks. The server tells how much of the file it has, so an interrupted upload
 * resumes on any page.
 */

import { requestJson } from "../../js/requests/api.js";
import { sendChunks } from "../../js/requests/chunks.js";
import { UploadRequests } from "../../js/requests/upload-requests.js";

/** @import * as sha2 from "@noble/hashes/sha2.js" */
/** @typedef {import("../video.js").Video} Video */
/**
 * @typedef {object} Settings
 * @property {string} api
 * @property {string} model empty for the default one
 * @property {number} chunkBytes
 * @property {string} sha256Url the address of the hash module
 * @property {AbortSignal} signal
 * @property {(step: "checking" | "sending" | "reading" | "waiting", share: number) => void} progress
 */

const HASH_CHUNK_BYTES = 4 * 2 ** 20;

/**
 * Upload the file, or the rest of it. Throws `Problem` if the server refuses it, and an `AbortError`
 * if `signal` is aborted.
 * @param {File} file
 * @param {Settings} settings
 * @returns {Promise<Video>}
 */
export async function sendVideo(file, settings) {
  const sha256 = await hashFile(file, settings);
  const { api, model, signal } = settings;
  const body = { name: file.name, size_bytes: file.size, sha256, model };
  /** @type {Video} */
  const video = await requestJson(api, { method: "POST", body, signal });
  if (video.state !== "uploading") return video;
  const requests = new UploadRequests(video.urls.upload, signal);
  await sendChunks(file, requests, { ...settings, offset: video.received_bytes });
  return requestJson(video.urls.self, { signal });
}

/**
 * @param {File} file
 * @param {Settings} settings
 * @returns {Promise<string>} the SHA-256 hash in hexadecimal
 */
async function hashFile(file, { sha256Url, signal, progress }) {
  /** @type {typeof sha2} */
  const { sha256 } = await import(sha256Url);
  const hash = sha256.create();
  for (let offset = 0; offset < file.size; offset += HASH_CHUNK_BYTES) {
    signal.throwIfAborted();
    progress("checking", offset / file.size);
    const part = await file.slice(offset, offset + HASH_CHUNK_BYTES).arrayBuffer();
    hash.update(new Uint8Array(part));
  }
  return Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
