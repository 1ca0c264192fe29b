/** The picture page: pictures are chosen, uploaded one after another, and shown with results. */

import { Problem, failureText, problemText, requestHeaders } from "../js/requests/api.js";
import { whenChosenWith, whenFilesChosen } from "../js/files/chosen-files.js";
import { delay as pause } from "../js/requests/delay.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { storeChoice } from "../js/files/store-choice.js";
import { remember, rememberControls, remembered } from "../js/memory.js";
import { sizeText } from "../js/files/size-text.js";
import { TabStore } from "../js/tab-store.js";
import { ChosenPicture } from "./chosen-picture.js";
import { leaveOut } from "./compare.js";
import { showQueue } from "./queue-bar.js";
import { clearResult, showResult } from "./result.js";

const SELECTED_KEY = `selected ${location.pathname}`;

const form = element("picture-form", HTMLFormElement);
const detectButton = element("detect", HTMLButtonElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const stage = element("stage", HTMLElement);
const frame = element("frame", HTMLElement);
const picture = element("picture", HTMLImageElement);
const queue = element("queue", HTMLElement);
const longestSide = element("longest-side", HTMLSelectElement);
/** @type {HTMLSelectElement | null} null if no model is installed */
const model = form.querySelector("#model");
const quality = element("quality", HTMLInputElement);
const delay = element("delay", HTMLSelectElement);
const tiles = element("tiles", HTMLSelectElement);

const storeOnServer = storeChoice();
const store = new TabStore(`${location.pathname} ${texts(form).owner}`);

/** @type {ChosenPicture[]} */
let chosen = [];
/** @type {ChosenPicture | null} */
let selected = null;
/** @type {ChosenPicture[]} the next ones to be uploaded */
let pending = [];
let isRunning = false;
/** @param {File[]} files */
async function choose(files) {
  const added = await Promise.all(
    files.map((file) => ChosenPicture.open(file).catch(() => ChosenPicture.refused(file))),
  );
  added.forEach(enqueue);
  for (const { id, file, isRefused } of added) if (!isRefused) store.put(id, "file", file);
  select(added.find(({ isRefused }) => !isRefused) ?? added[0]);
  // Several wait for a click, so that settings can be changed before.
  if (files.length === 1) await detectIn(added);
}

/** @param {ChosenPicture} one */
function enqueue(one) {
  chosen.push(one);
  part(one.row, ".select", HTMLButtonElement).addEventListener("click", () => select(one));
  part(one.row, ".remove", HTMLButtonElement).addEventListener("click", () => remove(one));
  queue.append(one.row);
}

/** @param {ChosenPicture} one */
function select(one) {
  selected = one;
  remember(SELECTED_KEY, String(one.id), "sessionStorage");
  picture.src = one.image.src;
  showFrame(one.isRefused ? 0 : one.image.naturalWidth / one.image.naturalHeight);
  for (const { row } of chosen) {
    part(row, ".select", HTMLButtonElement).setAttribute("aria-pressed", String(row === one.row));
  }
  showUploadSize();
  arrange();
  forgetIfDeleted(one);
  one.row.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/**
 * Remove the links of a stored picture if it was deleted on another page.
 * @param {ChosenPicture} one
 */
async function forgetIfDeleted(one) {
  const { answer } = one;
  if (!answer?.page_url) return;
  const response = await fetch(answer.page_url, { method: "HEAD" }).catch(() => null);
  if (response?.status !== 404 || one.answer !== answer) return;
  const gone = { page_url: undefined, original_url: undefined, drawn_url: undefined };
  one.answer = { ...answer, ...gone, export_url: undefined, stored: false };
  store.put(one.id, "result", { answer: one.answer, fields: one.fields });
  if (one === selected) arrange();
}

/** @param {number} ratio of width to height; 0 for no picture */
function showFrame(ratio) {
  if (ratio) stage.style.setProperty("--ratio", String(ratio));
  else stage.style.removeProperty("--ratio");
  frame.hidden = !ratio;
  element("invitation", HTMLElement).hidden = Boolean(ratio);
}

/** @param {ChosenPicture} one */
function remove(one) {
  const place = chosen.indexOf(one);
  chosen = chosen.filter((other) => other !== one);
  one.remove();
  store.remove(one.id);
  const next = chosen[Math.min(place, chosen.length - 1)];
  if (one === selected && next) select(next);
  if (!next) {
    selected = null;
    showFrame(0);
    showOwnResult();
  }
  arrange();
  (next ? part(next.row, ".select", HTMLButtonElement) : element("file", HTMLInputElement)).focus();
}

/** Show the queue, and the selected picture's state, error or result. */
function arrange() {
  showQueue(chosen);
  detectButton.disabled = isRunning || !chosen.some(isOpen);
  const isBusy = ["sending", "detecting", "loading"].includes(selected?.state ?? "");
  stage.setAttribute("aria-busy", String(isBusy));
  error.textContent = selected?.error ?? "";
  if (selected?.answer) {
    showResult(selected.answer, selected);
  } else {
    clearResult();
    if (selected?.state === "loading") showLoading(status, selected.loadingSinceMs);
    else status.textContent = texts(status)[selected?.state ?? "empty"];
  }
}

/** @param {ChosenPicture} one */
function isOpen({ state, isRefused }) {
  return (state === "waiting" || state === "failed") && !isRefused;
}

/**
 * Upload pictures one after another, after those of earlier calls.
 * @param {ChosenPicture[]} pictures
 */
async function detectIn(pictures) {
  pending.push(...pictures);
  if (isRunning || !pending.length) return;
  isRunning = true;
  for (let one = pending.shift(); one; one = pending.shift()) {
    if (!chosen.includes(one) || one.isRefused) continue;
    await one.detect(form.action, settings(), Number(form.dataset.maxBytes));
    const { id, answer, fields } = one;
    if (answer && chosen.includes(one)) store.put(id, "result", { answer, fields });
  }
  isRunning = false;
  arrange();
}

/** @returns {import("./chosen-picture.js").Settings} */
function settings() {
  return {
    longestSide: Number(longestSide.value),
    quality: quality.valueAsNumber / 100,
    delay_ms: Number(delay.value),
    model: model?.value ?? "",
    store: storeOnServer(),
    tiles: Number(tiles.value),
  };
}

/** Show the size of the selected picture's upload in advance. */
async function showUploadSize() {
  if (!selected) return;
  const one = selected;
  // A picture that cannot be encoded shows its error when it is uploaded.
  const copy = await one.shrunk(settings()).catch(() => null);
  if (one !== selected || !copy) return;
  const { blob, width, height } = copy;
  const { naturalWidth, naturalHeight } = one.image;
  element("bytes-before", HTMLElement).textContent =
    `${naturalWidth} × ${naturalHeight} · ${sizeText(one.file.size)}`;
  element("bytes-after", HTMLElement).textContent =
    `${width} × ${height} · ${sizeText(blob.size)}`;
}

/** Results were made with the former settings, so discard them. */
function settingsChanged() {
  element("quality-text", HTMLOutputElement).value = `${quality.value}%`;
  quality.disabled = settings().longestSide === Infinity;
  leaveOut(model?.value ?? "");
  showUploadSize();
  // Another model may be chosen instead of waiting.
  const loading = chosen.find(({ state }) => state === "loading");
  loading?.reset();
  if (loading) detectIn([loading]);
  if (isRunning) return;
  for (const one of chosen) {
    one.reset();
    store.put(one.id, "result", null);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await detectIn(chosen.filter(isOpen));
  // Disabling the button removed its focus.
  if (document.activeElement === document.body) {
    element("threshold", HTMLInputElement).focus({ preventScroll: true });
  }
});
queue.addEventListener("statechange", arrange);
element("remove-all", HTMLButtonElement).addEventListener("click", () => chosen.forEach(remove));
rememberControls(
  "picture",
  [longestSide, quality, tiles, delay, ...(model ? [model] : [])],
  "sessionStorage",
);
for (const setting of [longestSide, quality, tiles, model]) {
  setting?.addEventListener("change", settingsChanged);
}
quality.addEventListener("input", () => {
  element("quality-text", HTMLOutputElement).value = `${quality.value}%`;
});

whenFilesChosen(element("file", HTMLInputElement), stage, choose);
whenChosenWith(element("photo", HTMLInputElement), choose);

/** @type {NodeListOf<HTMLButtonElement>} */
const samples = document.querySelectorAll(".sample");
for (const sample of samples) {
  sample.disabled = false;
  sample.addEventListener("click", async () => {
    const { url, name } = texts(sample);
    try {
      const response = await fetch(url);
      await choose([new File([await response.blob()], name)]);
    } catch {
      error.textContent = texts(error).unreachable;
    }
  });
}

/**
 * Request a result, again and again while the model is loading.
 * @param {string} url
 * @returns {Promise<import("../js/requests/api.js").PictureAnswer | null>} null once a picture is chosen
 */
async function ownResult(url) {
  const startedMs = performance.now();
  while (!selected) {
    const response = await fetch(url, { headers: requestHeaders() });
    const waitSeconds = Number(response.headers.get("Retry-After"));
    if (response.ok) return response.json();
    if (response.status !== 503 || !waitSeconds) throw new Problem(await problemText(response));
    showLoading(status, startedMs);
    await pause(waitSeconds * 1000, new AbortController().signal);
  }
  return null;
}

/** Show the page's own result while no picture is chosen: of a stored picture, or an example. */
async function showOwnResult() {
  const { resultUrl } = texts(form);
  if (!resultUrl) return;
  try {
    const answer = await ownResult(resultUrl);
    if (!answer || selected) return;
    picture.src = answer.original_url ?? "";
    showFrame(answer.image.width / answer.image.height);
    showResult(answer, null);
  } catch (reason) {
    error.textContent = failureText(reason, texts(error).unreachable);
  }
}

/** Restore the pictures and their results after a reload. */
async function restore() {
  const selectedId = Number(remembered(SELECTED_KEY, "sessionStorage"));
  for (const [id, { file, result }] of await store.entries()) {
    try {
      const one = await ChosenPicture.open(file, id);
      enqueue(one);
      if (result) one.restore(result);
    } catch {
      // The browser no longer has the file.
      store.remove(id);
    }
  }
  const before = chosen.find(({ id }) => id === selectedId) ?? chosen[0];
  if (before && !selected) select(before);
}

// The back/forward cache restores a page without running its modules again.
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted && selected) forgetIfDeleted(selected);
});

settingsChanged();
showOwnResult();
restore();
