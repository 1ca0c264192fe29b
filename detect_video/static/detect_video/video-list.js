/** The visitor's videos: how far each is, and the way to it. */

import { Problem, requestJson } from "../js/api.js";
import { element, part, texts } from "../js/dom.js";
import { progressShare } from "./video.js";

/** @typedef {import("./video.js").Video} Video */

const UPDATE_EVERY_MS = 2000;

const section = element("videos", HTMLElement);
const list = element("video-list", HTMLElement);
const template = element("video-row", HTMLTemplateElement);
const error = element("videos-error", HTMLElement);
const { api } = texts(section);

/** Show the list, and keep it up to date for as long as it is visible. */
export async function keepVideoList() {
  if (!document.hidden) {
    try {
      showVideos(await requestJson(api));
    } catch {
      // What is shown stays; the next try comes soon.
    }
  }
  setTimeout(() => {
    if (!section.closest("[hidden]")) keepVideoList();
  }, UPDATE_EVERY_MS);
}

/** @param {Video[]} videos */
function showVideos(videos) {
  section.hidden = videos.length === 0;
  // The keyboard's focus goes with the old rows.
  const focused = document.activeElement;
  list.replaceChildren(...videos.map(videoRow));
  for (const link of list.querySelectorAll("a")) {
    if (focused instanceof HTMLAnchorElement && link.href === focused.href) link.focus();
  }
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
    error.textContent = reason instanceof Problem ? reason.message : unreachable;
  }
}

/** @param {Video} video */
function videoRow(video) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const link = part(copy, "a", HTMLAnchorElement);
  link.href = video.urls.page;
  link.textContent = video.name;
  part(copy, "span", HTMLElement).textContent = texts(list)[video.state];
  const bar = part(copy, "progress", HTMLProgressElement);
  bar.hidden = video.state === "done" || video.state === "failed";
  bar.value = progressShare(video);
  const remove = part(copy, "button", HTMLButtonElement);
  remove.ariaLabel = `${remove.textContent} (${video.name})`;
  remove.addEventListener("click", () => removeVideo(video));
  return part(copy, "li", HTMLElement);
}
