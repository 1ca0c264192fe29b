/** The visitor's videos: how far each is, and the way to it. */

import { requestJson } from "../js/api.js";
import { element, part, texts } from "../js/dom.js";
import { progressShare } from "./video.js";

/** @typedef {import("./video.js").Video} Video */

const UPDATE_EVERY_MS = 2000;

const section = element("videos", HTMLElement);
const list = element("video-list", HTMLElement);
const template = element("video-row", HTMLTemplateElement);

/**
 * Show the list, and keep it up to date for as long as it is visible.
 * @param {string} api
 */
export async function keepVideoList(api) {
  if (!document.hidden) {
    try {
      showVideos(await requestJson(api));
    } catch {
      // What is shown stays; the next try comes soon.
    }
  }
  setTimeout(() => {
    if (!section.closest("[hidden]")) keepVideoList(api);
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
function videoRow(video) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const link = part(copy, "a", HTMLAnchorElement);
  link.href = video.urls.page;
  link.textContent = video.name;
  part(copy, "span", HTMLElement).textContent = texts(list)[video.state];
  const bar = part(copy, "progress", HTMLProgressElement);
  bar.hidden = video.state === "done" || video.state === "failed";
  bar.value = progressShare(video);
  return part(copy, "li", HTMLElement);
}
