/** The list of the visitor's videos, with their progress. */

import { failureText, requestJson } from "../js/requests/api.js";
import { element, part, texts } from "../js/dom.js";
import { momentText, remainingText } from "../js/times.js";
import { showRows } from "./rows.js";
import { progressShare, remainingSeconds, timeText } from "./video.js";

/** @typedef {import("./video.js").Video} Video */

const UPDATE_INTERVAL_MS = 2000;

const section = element("videos", HTMLElement);
const list = element("video-list", HTMLElement);
const template = element("video-row", HTMLTemplateElement);
const error = element("videos-error", HTMLElement);
const { api } = texts(section);

/** Show the list, and update it as long as it is visible. */
export async function keepVideoList() {
  if (!document.hidden) {
    try {
      showVideos(await requestJson(api));
    } catch {
      // Keep the list as it is; the next update comes soon.
    }
  }
  setTimeout(() => {
    if (!section.closest("[hidden]")) keepVideoList();
  }, UPDATE_INTERVAL_MS);
}

/** @param {Video[]} videos */
function showVideos(videos) {
  section.hidden = videos.length === 0;
  showRows(list, videos, { create: newRow, update: updateRow });
}

/** @param {Video} video */
function newRow(video) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const link = part(copy, "a", HTMLAnchorElement);
  link.href = video.urls.page;
  link.textContent = video.name;
  const remove = part(copy, "button", HTMLButtonElement);
  remove.ariaLabel = `${remove.textContent} (${video.name})`;
  remove.addEventListener("click", () => removeVideo(video));
  return part(copy, "li", HTMLElement);
}

/**
 * @param {HTMLElement} row
 * @param {Video} video
 */
function updateRow(row, video) {
  const poster = part(row, "img", HTMLImageElement);
  if (video.urls.poster && poster.hidden) {
    poster.src = video.urls.poster;
    poster.hidden = false;
  }
  part(row, ".facts-line", HTMLElement).textContent = facts(video).join(" · ");
  const { remaining, [video.is_loading ? "loading" : video.state]: state } = texts(list);
  const left = remainingText(remainingSeconds(video), remaining);
  part(row, "span", HTMLElement).textContent = [state, left].filter(Boolean).join(" · ");
  const bar = part(row, "progress", HTMLProgressElement);
  part(row, ".reason", HTMLElement).textContent = video.error;
  bar.hidden = video.state === "done" || video.state === "failed";
  bar.value = progressShare(video);
}

/** @param {Video} video */
function facts({ created_at, duration_s, model }) {
  const length = duration_s === null ? [] : [timeText(duration_s)];
  return [momentText(created_at), ...length, ...(model ? [model] : [])];
}

/** @param {Video} video */
async function removeVideo({ name, urls }) {
  const { sure, unreachable } = texts(error);
  if (!confirm(sure.replace("{name}", () => name))) return;
  try {
    await requestJson(urls.self, { method: "DELETE" });
    showVideos(await requestJson(api));
    error.textContent = "";
  } catch (reason) {
    error.textContent = failureText(reason, unreachable);
  }
}
