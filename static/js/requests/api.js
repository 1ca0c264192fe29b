/** Requests to the site's own API. */

import { delay } from "./delay.js";

/** @typedef {import("../drawing/boxes.js").Detection} Detection */
/**
 * @typedef {object} Detections
 * @property {string} model
 * @property {{width: number, height: number}} image
 * @property {Detection[]} detections sorted by score, highest first
 * @property {Record<string, number>} timing_ms by stage
 */
/** @typedef {Detections & {id: string, name: string, original_url: string, drawn_url: string,
 *   export_url: string, page_url: string}} StoredDetections
 */
/** @typedef {{truncated: boolean}} Reading whether the picture's file is incomplete */
/** @typedef {{stored: boolean, not_stored?: {code: string, detail: string}}} Storing */
/** @typedef {Detections & Partial<StoredDetections> & Partial<Reading & Storing>} PictureAnswer */

// The server says when to ask again; a restarting one cannot.
const RETRY_S = 2;
const PROBLEM_TYPE = "application/problem+json";
// Enough for a restart.
const TRIES_WITHOUT_ANSWER = 30;

/** An error response of the server. Its message can be shown to the user. */
export class Problem extends Error {}

/**
 * The message to show for a failed request.
 * @param {unknown} reason what the request threw
 * @param {string} [unreachable] the message if there was no response
 * @returns {string}
 */
export function failureText(reason, unreachable = "") {
  return reason instanceof Problem ? reason.message : unreachable;
}

/**
 * Send a body and report the progress of the upload, which `fetch` cannot do. Rejects with a
 * `TypeError` if there is no response, and with the signal's reason if it is aborted.
 * @param {string} url
 * @param {XMLHttpRequestBodyInit} body
 * @param {object} options
 * @param {string} [options.method]
 * @param {Record<string, string>} [options.headers] besides those of every request
 * @param {AbortSignal} options.signal
 * @param {(progress: ProgressEvent) => void} [options.onProgress]
 * @returns {Promise<Response>} with any status
 */
export function upload(url, body, { method = "POST", headers, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open(method, url);
    for (const [name, value] of Object.entries({ ...requestHeaders(), ...headers })) {
      request.setRequestHeader(name, value);
    }
    if (onProgress) request.upload.addEventListener("progress", onProgress);
    request.addEventListener("loadend", () => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) reject(signal.reason);
      else if (request.status === 0) reject(new TypeError("There was no response."));
      else resolve(responseOf(request));
    });
    signal.addEventListener("abort", abort);
    request.send(body);
  });
}

/**
 * @param {XMLHttpRequest} request a finished one
 * @returns {Response}
 */
function responseOf(request) {
  const { status, statusText, responseText } = request;
  const headers = new Headers();
  for (const line of request.getAllResponseHeaders().trim().split("\r\n").filter(Boolean)) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  // A status such as 204 allows no body, not even an empty one.
  return new Response(responseText || null, { status, statusText, headers });
}

/**
 * Upload a form or JSON and return the JSON of the response. It is sent again while the server
 * loads its model. Throws `Problem` for an error response, and what `upload` throws.
 * @param {string} url
 * @param {FormData | object} body
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(share: number) => void} [options.onProgress] receives the sent share of the body, from
 *   0 to 1
 * @param {() => void} [options.onLoading] called whenever the server says that it loads its model
 * @returns {Promise<any>}
 */
export async function post(url, body, { signal, onProgress, onLoading }) {
  const isForm = body instanceof FormData;
  const send = () =>
    upload(url, isForm ? body : JSON.stringify(body), {
      headers: isForm ? {} : { "Content-Type": "application/json" },
      signal,
      onProgress: ({ loaded, total }) => onProgress?.(loaded / total),
    });
  const response = await onceLoaded(send, { signal, onLoading });
  if (!response.ok) throw new Problem(await problemText(response));
  return response.json();
}

/**
 * Send a request until the server has loaded its model, even if it restarts meanwhile.
 * @param {() => Promise<Response>} send
 * @param {{signal: AbortSignal, onLoading?: () => void}} options
 * @returns {Promise<Response>} with any other status
 */
async function onceLoaded(send, { signal, onLoading }) {
  let tries = 1;
  for (;;) {
    const response = await send().catch((reason) => {
      if (tries === 1 || signal.aborted) throw reason;
      return null;
    });
    if (response && (await isLoading(response))) {
      tries = TRIES_WITHOUT_ANSWER;
      onLoading?.();
    } else if (response && (tries === 1 || !isFromProxy(response))) {
      return response;
    } else {
      tries -= 1;
    }
    const seconds = Number(response?.headers.get("Retry-After")) || RETRY_S;
    await delay(seconds * 1000, signal);
  }
}

/** @param {Response} response */
async function isLoading(response) {
  if (response.status !== 503) return false;
  const { code } = await response.clone().json().catch(() => ({}));
  return code === "model_loading";
}

/**
 * Whether a proxy in front of the server says that the server does not answer.
 * @param {Response} response
 */
function isFromProxy({ status, headers }) {
  return status >= 502 && status <= 504 && headers.get("Content-Type") !== PROBLEM_TYPE;
}

/**
 * Send JSON, or no body, and return the JSON of the response; null for an empty one. Throws
 * `Problem` for an error response, and what `fetch` throws.
 * @param {string} url
 * @param {{method?: string, body?: object, signal?: AbortSignal}} options
 * @returns {Promise<any>}
 */
export async function requestJson(url, { method = "GET", body, signal } = {}) {
  const response = await fetch(url, {
    method,
    body: body && JSON.stringify(body),
    headers: { ...requestHeaders(), ...(body && { "Content-Type": "application/json" }) },
    signal,
  });
  if (!response.ok) throw new Problem(await problemText(response));
  return response.status === 204 ? null : response.json();
}

/** The headers of every request. Only signed-in visitors have and need the CSRF token. */
export function requestHeaders() {
  const token = csrfToken(document.cookie);
  return { Accept: "application/json", ...(token && { "X-CSRFToken": token }) };
}

/**
 * @param {string} cookies as in `document.cookie`
 * @returns {string} empty if there is none
 */
export function csrfToken(cookies) {
  return cookies.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

/**
 * The `detail` of a problem (RFC 9457), or the HTTP status of any other response.
 * @param {Response} response
 * @returns {Promise<string>}
 */
export async function problemText(response) {
  try {
    const { detail } = await response.json();
    return detail || statusText(response);
  } catch {
    return statusText(response);
  }
}

/** @param {Response} response */
function statusText({ status, statusText: phrase }) {
  return `HTTP ${status} ${phrase}`.trim();
}
