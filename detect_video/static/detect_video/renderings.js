/** Saving as a video with drawn boxes: requests renderings from the server, and shows their progress. */

import { failureText, requestJson } from "../js/requests/api.js";
import { percent } from "../js/drawing/boxes.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, part, texts } from "../js/dom.js";
import { rememberControls } from "../js/memory.js";
import { sizeText } from "../js/files/size-text.js";
import { momentText } from "../js/times.js";
import { shownOptions } from "./player/frame-view.js";
import { showRows } from "./rows.js";
import { isActive } from "./video.js";

/** @typedef {import("./video.js").Video} Video */
/** @typedef {import("./video.js").Rendering} Rendering */

const form = element("save-form", HTMLFormElement);
const codec = element("codec", HTMLSelectElement);
const button = element("save", HTMLButtonElement);
const reason = element("save-reason", HTMLElement);
const error = element("save-error", HTMLElement);
const list = element("renderings", HTMLElement);
const template = element("rendering-row", HTMLTemplateElement);

/** @type {Video | null} */
let video = null;
/** @type {() => Promise<unknown>} */
let regionsStored = async () => {};

/**
 * Wait before each saving, as the server draws the lines and zones that it has.
 * @param {() => Promise<unknown>} stored resolves once the server has those that are shown
 */
export function saveAfter(stored) {
  regionsStored = stored;
}

/**
 * Show the video's renderings, and whether another one can be made.
 * @param {Video} current
 */
export function showRenderings(current) {
  video = current;
  button.disabled = isActive(current) || !current.frames_detected;
  reason.hidden = !button.disabled;
  showRows(list, current.renderings, { create: newRow, update: updateRow });
}

/**
 * @param {HTMLElement} row
 * @param {Rendering} item
 */
function updateRow(row, item) {
  const isUnfinished = isActive(item);
  const name = texts(list)[item.codec] ?? item.codec;
  part(row, ".name", HTMLElement).textContent = `${name}${texts(list).colon}${item.error || texts(list)[item.state]}`;
  part(row, "small", HTMLElement).textContent = facts(item).join(" · ");
  const bar = part(row, "progress", HTMLProgressElement);
  bar.hidden = !isUnfinished;
  bar.value = item.frames_done / (video?.frames_detected || 1);
  const link = part(row, "a", HTMLAnchorElement);
  link.hidden = !item.urls.file;
  if (item.urls.file) link.href = item.urls.file;
  part(row, "button", HTMLElement).textContent = isUnfinished ? texts(list).cancel : texts(list).remove;
}

/**
 * What distinguishes a rendering from the others.
 * @param {Rendering} item
 */
function facts({ model, score_threshold, hidden_class_names, show_tracks, state, size_bytes, created_at }) {
  const { without, all, tracks } = texts(list);
  const hidden = hidden_class_names.map(shownName).join(texts(list).comma);
  return [
    ...(model ? [model] : []),
    `≥ ${percent(score_threshold)}`,
    hidden ? without.replace("{names}", () => hidden) : all,
    ...(show_tracks ? [tracks] : []),
    ...(state === "done" ? [sizeText(size_bytes)] : []),
    momentText(created_at),
  ];
}

/** @param {Rendering} item */
function newRow(item) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const row = part(copy, "li", HTMLElement);
  part(row, "button", HTMLElement).addEventListener("click", () =>
    change(item.urls.self, { method: "DELETE" }),
  );
  return row;
}

/**
 * @param {string} url
 * @param {{method: string, body?: object}} request
 */
async function change(url, request) {
  error.textContent = "";
  try {
    await requestJson(url, request);
    if (video) showRenderings(await requestJson(video.urls.self));
  } catch (failure) {
    error.textContent = failureText(failure, texts(error).unreachable);
  }
}

rememberControls("video", [codec]);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { codec: codec.value, ...shownOptions() };
  await regionsStored();
  if (video) change(video.urls.renderings, { method: "POST", body });
});
