/** Requests to the site's own API. */

/** @typedef {import("./boxes.js").Detection} Detection */
/**
 * @typedef {object} Detections
 * @property {string} model
 * @property {{width: number, height: number}} image
 * @property {Detection[]} detections the surest first
 * @property {Record<string, number>} timing_ms by stage
 */

/** The server answered, but with an error; the message is for people. */
export class Problem extends Error {}

/**
 * Send a form and return the JSON that comes back. Throws `Problem` for an answer that is an
 * error, and what `fetch` throws when there is no answer.
 * @param {string} url
 * @param {FormData} form
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export async function postForm(url, form, signal) {
  const response = await fetch(url, {
    method: "POST",
    body: form,
    headers: requestHeaders(),
    signal,
  });
  if (!response.ok) {
    throw new Problem(await problemText(response));
  }
  return response.json();
}

/**
 * Send JSON, or nothing, and return the JSON that comes back; null for an empty answer. Throws
 * as `postForm` does.
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

/** @param {Response} response */
function statusText({ status, statusText: phrase }) {
  return `HTTP ${status} ${phrase}`.trim();
}
