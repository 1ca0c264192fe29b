/** The page on which the server draws the boxes; the picture is returned as base64 or as a URL. */

import { Problem, failureText, post, problemText } from "../js/requests/api.js";
import { whenChosenWith, whenFilesDropped } from "../js/files/chosen-files.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { storeChoice } from "../js/files/store-choice.js";
import { rememberControls } from "../js/memory.js";
import { openPicture, shrink } from "../js/files/shrink.js";
import { sizeText } from "../js/files/size-text.js";
import { TabStore } from "../js/tab-store.js";

/**
 * @typedef {object} Answer
 * @property {string} picture for `img.src`
 * @property {number} sentBytes
 * @property {number} answerBytes
 * @property {number | null} objects the number of drawn objects; null for a plain picture
 * @property {boolean} isTruncated whether the uploaded file is incomplete
 * @property {string} notStored why the picture was not stored; empty if it was
 */

const CONVERTED_QUALITY = 0.92;
// Some phones have no larger canvas than 4096 x 4096.
const LARGEST_SIDE = 4096;
// The store has one entry, for the last picture.
const LAST = 0;

const form = element("server-form", HTMLFormElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const notStored = element("not-stored", HTMLElement);
const stage = element("stage", HTMLElement);
const picture = element("picture", HTMLImageElement);
const file = element("file", HTMLInputElement);
const typedName = element("typed-name", HTMLInputElement);
const byUpload = element("by-upload", HTMLInputElement);
const byName = element("by-name", HTMLInputElement);
const table = element("ways", HTMLElement);
const buttons = form.querySelectorAll("button");
const storeOnServer = storeChoice();
const store = new TabStore(`${location.pathname} ${texts(form).owner}`);

/** Aborted by the next request. */
let current = new AbortController();
/** Since when the server has been loading the model; 0 if it is not. */
let loadingSinceMs = 0;
/** @type {Record<string, string>[]} the rows of the table, the newest last */
const rows = [];

/** @returns {{name: string, file: File | null, key: string}} the name is empty if none is chosen */
function chosen() {
  if (byUpload.checked) {
    const upload = file.files?.[0] ?? null;
    return { name: upload?.name ?? "", file: upload, key: "" };
  }
  const radio = /** @type {HTMLInputElement} */ (form.querySelector("input[name=gallery]:checked"));
  const key = byName.checked ? typedName.value : radio.value;
  const name = byName.checked ? key : (radio.parentElement?.textContent ?? "").trim();
  return { name, file: null, key };
}

/**
 * Request the picture with its boxes.
 * @param {string} way `base64` or `url`
 * @returns {Promise<Answer>}
 */
async function detected(way) {
  const { signal } = current;
  const { name, file: own, key } = chosen();
  const upload = own && (await readable(own));
  const body = new FormData();
  if (upload) body.append("image", upload);
  else body.append("gallery", key);
  const model = document.getElementById("model");
  const fields = {
    return: way,
    store: storeOnServer(),
    name,
    score_threshold: element("threshold", HTMLInputElement).value,
    show_names: String(element("show-names", HTMLInputElement).checked),
    show_scores: String(element("show-scores", HTMLInputElement).checked),
    ...(model instanceof HTMLSelectElement && { model: model.value }),
  };
  Object.entries(fields).forEach(([field, value]) => body.append(field, value));
  const answer = await post(form.action, body, { signal, onLoading: waitForModel });
  return {
    picture: answer.drawn,
    sentBytes: upload?.size ?? 0,
    answerBytes: JSON.stringify(answer).length,
    objects: answer.detections.length,
    isTruncated: answer.truncated,
    notStored: answer.not_stored?.detail ?? "",
  };
}

function waitForModel() {
  loadingSinceMs ||= performance.now();
  showLoading(status, loadingSinceMs);
}

/**
 * The file, or a JPEG file of it if only the browser reads its format or if it is larger than the
 * server accepts. If the browser cannot read it, the file is uploaded all the same, so that the
 * server explains what is wrong.
 * @param {File} own
 * @returns {Promise<Blob>}
 */
async function readable(own) {
  try {
    const image = await openPicture(own);
    const { maxBytes, maxPixels } = texts(form);
    const isTooLarge =
      own.size > Number(maxBytes) || image.naturalWidth * image.naturalHeight > Number(maxPixels);
    const side = Math.min(LARGEST_SIDE, Math.floor(Math.sqrt(Number(maxPixels))));
    const longestSide = isTooLarge ? side : Infinity;
    const { blob } = await shrink(own, image, { longestSide, quality: CONVERTED_QUALITY });
    URL.revokeObjectURL(image.src);
    return blob;
  } catch {
    return own;
  }
}

/**
 * Request a picture of the server's gallery without boxes.
 * @param {string} way `base64` or `url`
 * @returns {Promise<Answer>}
 */
async function plain(way) {
  const { signal } = current;
  const { key } = chosen();
  const query = new URLSearchParams({ key, return: way });
  const headers = { Accept: "application/json" };
  const response = await fetch(`${form.dataset.galleryUrl}?${query}`, { headers, signal });
  if (!response.ok) throw new Problem(await problemText(response));
  const text = await response.text();
  const { picture: source } = JSON.parse(text);
  return {
    picture: source,
    sentBytes: 0,
    answerBytes: text.length,
    objects: null,
    isTruncated: false,
    notStored: "",
  };
}

/**
 * Request a picture, show it, and add a row with the transferred sizes.
 * @param {(way: string) => Promise<Answer>} ask
 * @param {string} way
 */
async function show(ask, way) {
  const { signal } = current;
  const { name } = chosen();
  const startedMs = performance.now();
  const answer = await ask(way);
  signal.throwIfAborted();
  await showPicture(answer);
  const shownMs = performance.now() - startedMs;
  // 0 if the picture came from the browser's cache.
  const loaded = performance.getEntriesByName(picture.src).at(-1);
  const pictureBytes = loaded instanceof PerformanceResourceTiming ? loaded.transferSize : 0;
  performance.clearResourceTimings();
  rows.push({
    picture: name,
    way: way === "url" ? "URL" : way,
    sent: sizeText(answer.sentBytes),
    answer: sizeText(answer.answerBytes),
    after: sizeText(pictureBytes),
    seen: `${Math.round(shownMs)} ms`,
  });
  addRow(rows[rows.length - 1]);
  store.put(LAST, "answer", answer);
  store.put(LAST, "notes", rows);
}

/** @param {Answer} answer */
async function showPicture(answer) {
  picture.src = answer.picture;
  showStage(true);
  await picture.decode();
  const { shown, plain: original } = texts(status);
  status.textContent =
    answer.objects === null ? original : shown.replace("{count}", String(answer.objects));
  part(document, ".cut-off", HTMLElement).hidden = !answer.isTruncated;
  notStored.textContent =
    answer.notStored && texts(notStored).reason.replace("{reason}", answer.notStored);
}

/** @param {boolean} isShown whether there is a picture; otherwise the invitation is shown */
function showStage(isShown) {
  stage.hidden = !isShown;
  element("invitation", HTMLElement).hidden = isShown;
}

/** Remove the last picture and its messages. */
function clear() {
  clearMessages();
  showStage(false);
  store.put(LAST, "answer", null);
}

function clearMessages() {
  error.textContent = "";
  status.textContent = "";
  notStored.textContent = "";
  part(document, ".cut-off", HTMLElement).hidden = true;
}

/** @param {string} text shown where it is seen, even if the page is scrolled */
function showError(text) {
  clear();
  error.textContent = text;
  error.scrollIntoView({ block: "nearest" });
}

/**
 * Add a row on top of the table.
 * @param {Record<string, string>} values by column
 */
function addRow(values) {
  const row = document.createElement("tr");
  for (const [column, value] of Object.entries(values)) {
    const cell = document.createElement("td");
    cell.textContent = value;
    cell.dataset.label = texts(table)[column];
    if (column !== "picture" && column !== "way") cell.className = "number";
    row.append(cell);
  }
  table.prepend(row);
  element("travelled", HTMLElement).hidden = false;
}

/**
 * @param {(way: string) => Promise<Answer>} ask
 * @param {string[]} ways requested one after another
 */
async function run(ask, ways) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  loadingSinceMs = 0;
  clearMessages();
  const { name } = chosen();
  if (!name) {
    showError(texts(error).choose);
    return;
  }
  setBusy(true);
  try {
    for (const way of ways) await show(ask, way);
    stage.scrollIntoView({ block: "nearest" });
  } catch (reason) {
    if (signal.aborted) return;
    showError(failureText(reason, texts(error).unreachable));
  }
  loadingSinceMs = 0;
  setBusy(false);
}

/** Another model may be chosen instead of waiting for this one. */
function stopWaiting() {
  current.abort();
  loadingSinceMs = 0;
  clear();
  setBusy(false);
}

/** Request the picture that was just chosen. */
function detect() {
  run(detected, [chosenWay()]);
}

/** @param {boolean} busy */
function setBusy(busy) {
  buttons.forEach((button) => {
    button.disabled = busy;
  });
  stage.setAttribute("aria-busy", String(busy));
  if (busy) status.textContent = texts(status).busy;
  else arrange();
}

/** Only pictures of the gallery can be shown without boxes. */
function arrange() {
  element("show", HTMLButtonElement).disabled = byUpload.checked;
}

function chosenWay() {
  return /** @type {HTMLInputElement} */ (form.querySelector("input[name=return]:checked")).value;
}

/** @param {HTMLInputElement} radio */
function pick(radio) {
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
}

/** @param {File} own becomes the chosen file */
function choose(own) {
  const transfer = new DataTransfer();
  transfer.items.add(own);
  file.files = transfer.files;
  element("own-name", HTMLElement).textContent = own.name;
}

/** Restore the chosen file and the last picture after a reload. */
async function restore() {
  const last = (await store.entries()).get(LAST);
  if (last?.file && !file.files?.length) choose(last.file);
  if (last?.notes && !rows.length) {
    rows.push(...last.notes);
    rows.forEach(addRow);
  }
  // Do not replace the picture of a request that has begun.
  if (!last?.answer || stage.ariaBusy === "true") return;
  try {
    await showPicture(last.answer);
  } catch {
    // The picture was deleted.
    clear();
  }
}

form.addEventListener("change", () => {
  if (loadingSinceMs) stopWaiting();
  arrange();
});
// What is drawn follows the options.
element("drawing", HTMLElement).addEventListener("change", () => {
  if (chosen().name) detect();
});
file.addEventListener("change", () => {
  const own = file.files?.[0] ?? null;
  element("own-name", HTMLElement).textContent = own?.name ?? "";
  pick(byUpload);
  store.put(LAST, "file", own);
  if (own) detect();
});
/** @param {File[]} files dropped, pasted or photographed; the first one is chosen */
const take = ([own]) => {
  choose(own);
  file.dispatchEvent(new Event("change"));
};
whenFilesDropped(element("drop", HTMLElement), take);
whenChosenWith(element("photo", HTMLInputElement), take);
for (const sample of form.querySelectorAll(".samples input")) {
  sample.addEventListener("change", detect);
}
typedName.addEventListener("input", () => pick(byName));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  detect();
});
element("show", HTMLButtonElement).addEventListener("click", () => run(plain, [chosenWay()]));
element("compare", HTMLButtonElement).addEventListener("click", () => {
  run(detected, ["base64", "url"]);
});
/** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
const controls = form.querySelectorAll("input:not([type=file], #store), select");
rememberControls("server", [...controls], "sessionStorage");
// On a slow network, a file may be chosen before this module runs.
if (file.files?.length) file.dispatchEvent(new Event("change"));
restore();
setBusy(false);
