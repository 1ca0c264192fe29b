/** Requests to the site's own API. */

/** @typedef {import("./boxes.js").Detection} Detection */
/**
 * @typedef {object} Detections
 * @property {string} model
 * @property {{width: number, height: number}} image
 * @property {Detection[]} detections the surest first
 * @property {Record<string, number>} timing_ms by stage
 */
/** @typedef {Detections & {id: string, name: string, original_url: string, drawn_url: string,
 *   export_url: string, page_url: string}} KeptDetections
 */
/** @typedef {{truncated: boolean}} Reading whether the picture's file is cut off */
/** @typedef {{kept: boolean, not_kept?: {code: string, detail: string}}} Keeping */
/** @typedef {Detections & Partial<KeptDetections> & Partial<Reading & Keeping>} PictureAnswer */

/** The server answered, but with an error; the message is for people. */
export class Problem extends Error {}

/**
 * Send a form or JSON and return the JSON that comes back. Throws `Problem` for an answer that
 * is an error, `TypeError` when there is no answer, and the signal's reason when it aborts.
 * @param {string} url
 * @param {FormData | object} body
 * @param {{signal: AbortSignal, onProgress?: (share: number) => void}} options `onProgress` is
 *   told how much of the body has left, from 0 to 1
 * @returns {Promise<any>}
 */
export async function post(url, body, { signal, onProgress }) {
  const text = await new Promise((resolve, reject) => {
    // fetch cannot tell how much of a body has left.
    const request = new XMLHttpRequest();
    request.open("POST", url);
    for (const [name, value] of Object.entries(requestHeaders())) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(loaded / total);
    request.onload = () => {
      const { status, statusText, responseText } = request;
      if (status < 400) resolve(responseText);
      else resolve(problemFrom(new Response(responseText, { status, statusText })));
    };
    request.onerror = () => reject(new TypeError("There was no answer."));
    signal.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    if (body instanceof FormData) {
      request.send(body);
    } else {
      request.setRequestHeader("Content-Type", "application/json");
      request.send(JSON.stringify(body));
    }
  });
  return JSON.parse(text);
}

/**
 * Send JSON, or nothing, and return the JSON that comes back; null for an empty answer. Throws
 * as `post` does.
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
  if (!response.ok) {
    throw new Problem(await problemText(response));
  }
  return response.status === 204 ? null : response.json();
}

/** Only visitors who are logged in need the token, and then they have the cookie. */
export function requestHeaders() {
  const token = csrfToken(document.cookie);
  return { Accept: "application/json", ...(token && { "X-CSRFToken": token }) };
}

/**
 * @param {string} cookies as in `document.cookie`
 * @returns {string} empty without one
 */
export function csrfToken(cookies) {
  return cookies.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

/**
 * The `detail` of a problem (RFC 9457), or the status of an answer that is none.
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

/**
 * @param {Response} response
 * @returns {Promise<never>}
 */
async function problemFrom(response) {
  throw new Problem(await problemText(response));
}

/** @param {Response} response */
function statusText({ status, statusText: phrase }) {
  return `HTTP ${status} ${phrase}`.trim();
}
