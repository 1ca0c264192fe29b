/** How far detection is, and what can be done with the whole video. */

import { Problem, requestJson } from "../js/api.js";
import { percent } from "../js/boxes.js";
import { element, part, texts } from "../js/dom.js";
import { remainingText } from "../js/times.js";
import { isAtWork, progressShare, remainingSeconds, sizeText, timeText } from "./video.js";

/** @typedef {import("./video.js").Video} Video */

const state = element("state", HTMLElement);
const bar = element("state-bar", HTMLProgressElement);
const error = element("state-error", HTMLElement);
const cancel = element("cancel", HTMLButtonElement);
const retry = element("retry", HTMLButtonElement);
const remove = element("delete", HTMLButtonElement);
const downloads = element("downloads", HTMLElement);

/** @type {Video | null} */
let video = null;

/** @param {Video} current */
export function showState(current) {
  video = current;
  const isActive = isAtWork(current);
  const share = progressShare(current);
  const text = texts(state)[current.state];
  // Screen readers tell every change, so the figure that changes all the time stands beside.
  if (state.textContent !== text) state.textContent = text;
  const pace = [percent(share), remainingText(remainingSeconds(current), texts(state).remaining)];
  const place = texts(state).place.replace("{position}", String(current.queue_position));
  element("state-share", HTMLElement).textContent =
    current.state === "running" ? pace.filter(Boolean).join(" · ") : current.queue_position ? place : "";
  bar.hidden = current.state === "done";
  bar.value = share;
  error.textContent = current.error || (current.truncated && texts(error).truncated);
  cancel.hidden = !isActive;
  retry.hidden = isActive || current.state === "done";
  for (const format of ["jsonl", "csv", "coco"]) {
    part(downloads, `.${format}`, HTMLAnchorElement).href = current.urls[`results_${format}`];
  }
  showFacts(current);
}

/** @param {Video} video */
function showFacts({ model, width, height, duration_s, size_bytes, frames_detected }) {
  element("model-name", HTMLElement).textContent = model || "–";
  element("video-size", HTMLElement).textContent = `${width} × ${height}`;
  element("duration", HTMLElement).textContent = duration_s === null ? "–" : timeText(duration_s);
  element("file-size", HTMLElement).textContent = sizeText(size_bytes);
  element("detected", HTMLElement).textContent = String(frames_detected);
}

/**
 * Ask the server for a change. The button is idle until the answer comes.
 * @param {HTMLButtonElement} button
 * @param {(video: Video) => Promise<void>} change
 */
function whenPressed(button, change) {
  button.addEventListener("click", async () => {
    if (!video) return;
    button.disabled = true;
    try {
      await change(video);
    } catch (failure) {
      error.textContent = failure instanceof Problem ? failure.message : texts(error).unreachable;
    }
    button.disabled = false;
  });
}

whenPressed(cancel, async ({ urls }) => {
  showState(await requestJson(urls.cancel, { method: "POST" }));
});
whenPressed(retry, async ({ urls }) => {
  showState(await requestJson(urls.retry, { method: "POST" }));
});
whenPressed(remove, async ({ urls }) => {
  if (!confirm(texts(remove).sure)) return;
  await requestJson(urls.self, { method: "DELETE" });
  location.assign(texts(remove).then);
});
