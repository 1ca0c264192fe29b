/** Uploads the files of a model, or labelled pictures, in chunks, and starts the job that uses them. */

import { Problem, requestJson } from "../js/requests/api.js";
import { Backoff } from "../js/requests/backoff.js";
import { sendChunks } from "../js/requests/chunks.js";
import { delay } from "../js/requests/delay.js";
import { UploadRequests } from "../js/requests/upload-requests.js";

/** @typedef {{url: string, state: string, files: {name: string, url: string}[]}} Job */
/**
 * @typedef {object} Options
 * @property {string} api the address of the jobs
 * @property {"add" | "measure"} kind
 * @property {string} model the one to measure, or empty
 * @property {object} answers what a person knows about a model to add
 * @property {File} [labelledSet] the one of the files that a model to add is checked with
 * @property {number} chunkBytes
 * @property {AbortSignal} signal
 * @property {Job | null} former a job of the same files that could not be started
 * @property {(job: Job) => void} announced receives the job before its files are sent
 * @property {(step: "sending" | "reading" | "waiting", share: number, name: string) => void} progress
 */

/**
 * Retries lost connections once the files are announced. Throws `Problem` if the server refuses
 * something; what has arrived stays there, for another try with the job as `former`. Throws the
 * signal's reason if it is aborted; then the job is cancelled.
 * @param {File[]} files
 * @param {Options} options
 * @returns {Promise<Job>}
 */
export async function uploadAndStart(files, options) {
  const { former, signal } = options;
  let job = former;
  try {
    job = (former && (await stillOpen(former, signal))) || (await announce(files, options));
    options.announced(job);
    for (const [number, file] of files.entries()) {
      await send(file, job.files[number].url, job === former, options);
    }
    return await start(job, files[files.length - 1].name, options);
  } catch (reason) {
    if (signal.aborted && job) await requestJson(job.url, { method: "DELETE" }).catch(() => {});
    throw reason;
  }
}

/**
 * The job, or null if it was cancelled or started meanwhile.
 * @param {Job} job
 * @param {AbortSignal} signal
 */
async function stillOpen(job, signal) {
  try {
    const { state } = await requestJson(job.url, { signal });
    return state === "uploading" ? job : null;
  } catch (reason) {
    if (reason instanceof Problem) return null;
    throw reason;
  }
}

/**
 * @param {File[]} files
 * @param {Options} options
 * @returns {Promise<Job>}
 */
function announce(files, { api, kind, model, answers, labelledSet, signal }) {
  const announced = files.map((file) => ({
    name: file.name,
    size_bytes: file.size,
    is_labelled_set: file === labelledSet,
  }));
  return requestJson(api, {
    method: "POST",
    body: { kind, model, files: announced, answers },
    signal,
  });
}

/**
 * @param {File} file
 * @param {string} url
 * @param {boolean} resumes whether some of it may have arrived before
 * @param {Options} options
 */
async function send(file, url, resumes, { chunkBytes, signal, progress }) {
  const requests = new UploadRequests(url, signal);
  const offset = (resumes && (await requests.receivedBytes())) || 0;
  if (offset === file.size) return;
  await sendChunks(file, requests, {
    offset,
    chunkBytes,
    signal,
    progress: (step, share) => progress(step, share, file.name),
  });
}

/**
 * @param {Job} job
 * @param {string} name of the file that the progress names
 * @param {Options} options
 * @returns {Promise<Job>}
 */
async function start(job, name, { answers, signal, progress }) {
  const backoff = new Backoff();
  for (;;) {
    try {
      // When the answer was lost, the job may have been started.
      const now = backoff.isRetrying ? await requestJson(job.url, { signal }) : job;
      if (now.state !== job.state) return now;
      // Not empty, which would leave what was announced.
      const body = { name: "", ...answers };
      return await requestJson(`${job.url}start/`, { method: "POST", body, signal });
    } catch (reason) {
      // That is how `fetch` says that there was no response.
      if (signal.aborted || !(reason instanceof TypeError)) throw reason;
      progress("waiting", 1, name);
      await delay(backoff.next(), signal);
    }
  }
}
