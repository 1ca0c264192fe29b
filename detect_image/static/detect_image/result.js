/** Shows a result over and beside the picture. Filters need no request: all boxes are here. */

import { detectionAt, percent } from "../js/drawing/boxes.js";
import { context2d, jpegBlob, screenContext } from "../js/drawing/canvas.js";
import { colourDot } from "../js/drawing/class-chips.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, part, texts } from "../js/dom.js";
import { Filters } from "../js/drawing/filters.js";
import { rememberControls } from "../js/memory.js";
import { saveFile } from "../js/files/save-file.js";
import {
  hideComparison,
  leaveOut,
  listed,
  markRows,
  secondResult,
  showComparison,
  whenSecondModelChosen,
} from "./compare.js";
import { saveResult } from "./downloads.js";
import { stem } from "./exports.js";
import { showSnippet } from "./snippet-box.js";

/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */

const DRAWN_QUALITY = 0.92;

const panel = element("result", HTMLElement);
const below = element("below", HTMLElement);
const status = element("status", HTMLElement);
const picture = element("picture", HTMLImageElement);
const canvas = element("boxes", HTMLCanvasElement);
const filters = new Filters("picture", "sessionStorage");
const secondCanvas = element("second-boxes", HTMLCanvasElement);
const asReceived = element("as-received", HTMLInputElement);
const objects = element("objects", HTMLElement);

/** @type {import("../js/requests/api.js").PictureAnswer | null} */
let result = null;
/** @type {ChosenPicture | null} null for a stored picture */
let source = null;
/** @type {Detection[]} */
let visible = [];
/** @type {Detection | null} */
let highlighted = null;
/** @type {import("../js/requests/api.js").Detections | null} the result of a second model */
let second = null;
/** @type {Detection | null} */
let highlightedSecond = null;

/**
 * @param {import("../js/requests/api.js").PictureAnswer} answer
 * @param {ChosenPicture | null} from the uploaded picture; null for a stored one
 */
export function showResult(answer, from) {
  if (answer === result) return;
  const { detections, image, timing_ms } = answer;
  result = answer;
  source = from;
  highlighted = null;
  filters.chips.clear();
  objects.replaceChildren(...detections.map(objectRow));

  const total = Object.values(timing_ms).reduce((sum, ms) => sum + ms, 0);
  element("model-name", HTMLElement).textContent = answer.model;
  element("picture-size", HTMLElement).textContent = `${image.width} × ${image.height}`;
  element("inference-ms", HTMLElement).textContent = `${Math.round(timing_ms.inference)} ms`;
  element("total-ms", HTMLElement).textContent = `${Math.round(total)} ms`;
  part(below, ".cut-off", HTMLElement).hidden = !answer.truncated;
  showStoring(answer);
  panel.hidden = below.hidden = false;
  leaveOut(answer.model);
  showPicture();
  showSnippet(source);
  filter();
  compare();
}

/** Show the result of the chosen second model as well. */
async function compare() {
  if (!result) return;
  const answer = result;
  second = null;
  highlight(null);
  filter();
  const found = await secondResult({ answer, source });
  if (answer !== result || !found) return;
  second = found;
  filter();
}

/**
 * Link to the page of a stored picture, or explain why it was not stored.
 * @param {import("../js/requests/api.js").PictureAnswer} answer
 */
function showStoring({ page_url, not_stored }) {
  const link = element("stored-link", HTMLAnchorElement);
  link.href = page_url ?? "";
  link.hidden = !page_url || page_url === location.pathname;
  const reason = element("not-stored", HTMLElement);
  reason.textContent = not_stored ? texts(reason).reason.replace("{reason}", not_stored.detail) : "";
}

/** Hide the result, as the selected picture has none. */
export function clearResult() {
  result = null;
  second = null;
  hideComparison();
  panel.hidden = below.hidden = true;
  draw();
}

/** Apply the threshold and the class chips to the list and the boxes. */
function filter() {
  if (!result) return;
  const { detections } = result;
  filters.apply(detections, second?.detections);
  visible = shownPart(result).detections;
  detections.forEach((detection, index) => {
    /** @type {HTMLElement} */ (objects.children[index]).hidden = !visible.includes(detection);
  });
  status.textContent = statusText(detections.length);
  if (second) {
    showComparison(
      { first: visible, second: shownPart(second).detections, models: [result.model, second.model] },
      { pictureUrl: picture.src, highlight },
    );
  }
  draw();
}

/** @param {number} found the number of boxes, visible or not */
function statusText(found) {
  const { shown, unsure, nothing } = texts(status);
  if (second && result) {
    const counts = [
      `${result.model} ${visible.length}`,
      `${second.model} ${shownPart(second).detections.length}`,
    ];
    return shown.replace("{count}", () => counts.join(" · "));
  }
  if (found === 0) return nothing;
  return visible.length ? shown.replace("{count}", String(visible.length)) : unsure;
}

/**
 * A result with the current filters applied, for downloads.
 * @template {import("../js/requests/api.js").Detections} T
 * @param {T} answer
 * @returns {T}
 */
export function shownPart(answer) {
  return { ...answer, detections: filters.visible(answer.detections) };
}

function draw() {
  const { ctx, width, height } = screenContext(canvas);
  if (!result) return;
  const imageWidth = result.image.width;
  filters.draw(ctx, visible, { width, height, imageWidth, highlighted });
  if (!second) return;
  const beside = screenContext(secondCanvas);
  const size = { width: beside.width, height: beside.height, imageWidth };
  filters.draw(beside.ctx, shownPart(second).detections, { ...size, highlighted: highlightedSecond });
}

/** Show the chosen file, or the copy that the server received. */
function showPicture() {
  const received = result?.original_url;
  const url = (asReceived.checked && received) || source?.image.src;
  if (url) picture.src = url;
  element("as-received-switch", HTMLElement).hidden = !source || !received;
}

/**
 * @param {Detection | null} detection
 * @param {Detection | null} [other] of the second model
 */
function highlight(detection, other = null) {
  if (detection === highlighted && other === highlightedSecond) return;
  highlighted = detection;
  highlightedSecond = other;
  result?.detections.forEach((one, index) => {
    objects.children[index].classList.toggle("highlighted", one === detection);
  });
  markRows(detection, other);
  draw();
}

/**
 * Draw the visible boxes on the picture in its full size, as a JPEG file.
 * @param {HTMLImageElement} image
 * @param {import("../js/requests/api.js").PictureAnswer} answer
 */
export function drawnJpeg(image, answer) {
  const full = document.createElement("canvas");
  const boxes = document.createElement("canvas");
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  for (const one of [full, boxes]) Object.assign(one, { width, height });
  const size = { width, height, imageWidth: answer.image.width };
  filters.draw(context2d(boxes), shownPart(answer).detections, size);
  const ctx = context2d(full);
  // JPEG has no transparency; without a background, transparent parts would be black.
  ctx.fillStyle = "white";
  ctx.fillRect(0, 0, width, height);
  ctx.drawImage(image, 0, 0, width, height);
  ctx.drawImage(boxes, 0, 0);
  return jpegBlob(full, DRAWN_QUALITY);
}

function fileName() {
  return source?.file.name || result?.name || "picture";
}

async function downloadDrawn() {
  if (!result) return;
  saveFile(await drawnJpeg(picture, result), `${stem(fileName())}-boxes.jpg`);
}

/** @param {Detection} detection */
function objectRow(detection) {
  const row = document.createElement("li");
  const score = document.createElement("span");
  score.textContent = percent(detection.score);
  row.tabIndex = 0;
  row.append(colourDot(detection.class_id), shownName(detection.class_name), score);
  for (const [event, target] of /** @type {const} */ ([
    ["mouseenter", detection],
    ["focus", detection],
    ["mouseleave", null],
    ["blur", null],
  ])) {
    row.addEventListener(event, () => highlight(target));
  }
  return row;
}

/**
 * The detection under the pointer.
 * @param {MouseEvent} event on the canvas of either model
 * @param {Detection[]} detections of this model
 */
function pointedAt({ offsetX, offsetY }, detections) {
  if (!result) return null;
  const scale = canvas.clientWidth / result.image.width;
  return detectionAt(detections, offsetX / scale, offsetY / scale);
}

/** @param {Detection | null} detection of either model; its counterpart is highlighted as well */
function highlightPair(detection) {
  const pair = listed(detection)?.pair;
  if (pair) highlight(pair.first, pair.second);
  else highlight(detection);
}

/** @param {Detection | null} detection whose row gets the focus */
function focusRow(detection) {
  const index = detection && result ? result.detections.indexOf(detection) : -1;
  const row = listed(detection)?.row ?? objects.children[index];
  if (row instanceof HTMLElement) row.focus();
}

for (const control of filters.controls) control.addEventListener("input", filter);
whenSecondModelChosen(compare);
asReceived.addEventListener("change", showPicture);
for (const one of [canvas, secondCanvas]) {
  const shown = () => (one === canvas ? visible : second ? shownPart(second).detections : []);
  one.addEventListener("mousemove", (event) => highlightPair(pointedAt(event, shown())));
  one.addEventListener("mouseleave", () => highlight(null));
  one.addEventListener("click", (event) => focusRow(pointedAt(event, shown())));
}
element("download-drawn", HTMLButtonElement).addEventListener("click", downloadDrawn);
for (const button of document.querySelectorAll("button[data-export]")) {
  const { export: format } = texts(/** @type {HTMLElement} */ (button));
  button.addEventListener("click", () => {
    if (result) saveResult(format, { name: fileName(), found: shownPart(result) });
  });
}
rememberControls("picture", [asReceived], "sessionStorage");
const observer = new ResizeObserver(draw);
for (const one of [canvas, secondCanvas]) observer.observe(one);
