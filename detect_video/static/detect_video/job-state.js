/** The state of a video's detection, and the actions on the video. */

import { failureText, requestJson } from "../js/requests/api.js";
import { percent } from "../js/drawing/boxes.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { sizeText } from "../js/files/size-text.js";
import { remainingText } from "../js/times.js";
import { shownOptions } from "./player/frame-view.js";
import { isActive, progressShare, remainingSeconds, timeText } from "./video.js";

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
/** Since when the server has been loading the model; 0 if it is not. */
let loadingSinceMs = 0;

/** @param {Video} current */
export function showState(current) {
  video = current;
  const share = progressShare(current);
  if (!current.is_loading) loadingSinceMs = 0;
  else loadingSinceMs ||= performance.now();
  const text = texts(state)[current.state];
  // This is a live region: the percentage, which changes all the time, is in another element.
  if (loadingSinceMs) showLoading(state, loadingSinceMs);
  else if (state.textContent !== text) state.textContent = text;
  const pace = [percent(share), remainingText(remainingSeconds(current), texts(state).remaining)];
  const place = texts(state).place.replace("{position}", String(current.queue_position));
  element("state-share", HTMLElement).textContent =
    current.state === "running" && !current.is_loading ? pace.filter(Boolean).join(" · ") : current.queue_position ? place : "";
  bar.hidden = current.state === "done";
  if (current.is_loading) bar.removeAttribute("value");
  else bar.value = share;
  error.textContent = current.error || (current.truncated && texts(error).truncated);
  cancel.hidden = !isActive(current);
  retry.hidden = isActive(current) || current.state === "done";
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
 * Run a request when a button is clicked. The button is disabled until the response arrives.
 * @param {HTMLButtonElement} button
 * @param {(video: Video) => Promise<void>} change
 */
function onClick(button, change) {
  button.addEventListener("click", async () => {
    if (!video) return;
    button.disabled = true;
    try {
      await change(video);
    } catch (failure) {
      error.textContent = failureText(failure, texts(error).unreachable);
    }
    button.disabled = false;
  });
}

onClick(cancel, async ({ urls }) => {
  showState(await requestJson(urls.cancel, { method: "POST" }));
});
onClick(retry, async ({ urls }) => {
  showState(await requestJson(urls.retry, { method: "POST" }));
});
onClick(remove, async ({ urls }) => {
  if (!confirm(texts(remove).sure)) return;
  await requestJson(urls.self, { method: "DELETE" });
  location.assign(texts(remove).then);
});
// The results are downloaded with the track ids that are shown.
downloads.addEventListener("click", ({ target }) => {
  if (!(target instanceof HTMLAnchorElement)) return;
  const { show_tracks, score_threshold } = shownOptions();
  const query = { tracks: "true", score_threshold: String(score_threshold) };
  target.search = show_tracks ? String(new URLSearchParams(query)) : "";
});
