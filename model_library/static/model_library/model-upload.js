/** Uploads the files of a model, or labelled pictures, in chunks, and starts the job that uses them. */

import { requestJson } from "../js/requests/api.js";
import { sendChunks } from "../js/requests/chunks.js";
import { UploadRequests } from "../js/requests/upload-requests.js";

/** @typedef {{url: string, files: {name: string, url: string}[]}} Job */
/**
 * @typedef {object} Options
 * @property {string} api the address of the jobs
 * @property {"add" | "measure"} kind
 * @property {string} model the one to measure, or empty
 * @property {object} answers what a person knows about a model to add
 * @property {number} chunkBytes
 * @property {AbortSignal} signal
 * @property {(step: "sending" | "reading" | "waiting", share: number, name: string) => void} progress
 */

/**
 * Throws `Problem` if the server refuses something, and the signal's reason if it is aborted; then
 * the job is cancelled.
 * @param {File[]} files
 * @param {Options} options
 * @returns {Promise<Job>}
 */
export async function uploadAndStart(files, options) {
  const { api, kind, model, answers, chunkBytes, signal } = options;
  const announced = files.map(({ name, size }) => ({ name, size_bytes: size }));
  const body = { kind, model, files: announced };
  /** @type {Job} */
  const job = await requestJson(api, { method: "POST", body, signal });
  try {
    for (const [number, file] of files.entries()) {
      const requests = new UploadRequests(job.files[number].url, signal);
      await sendChunks(file, requests, {
        offset: 0,
        chunkBytes,
        signal,
        progress: (step, share) => options.progress(step, share, file.name),
      });
    }
    return await requestJson(`${job.url}start/`, { method: "POST", body: answers, signal });
  } catch (reason) {
    await requestJson(job.url, { method: "DELETE" }).catch(() => {});
    throw reason;
  }
}
