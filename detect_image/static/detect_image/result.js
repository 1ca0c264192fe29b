/** The result over and beside the picture. Filters only redraw: the server sent every box. */

import { detectionAt, percent, visibleDetections } from "../js/boxes.js";
import { ClassChips, colourDot } from "../js/class-chips.js";
import { shownName } from "../js/class-names.js";
import { drawDetections } from "../js/detection-canvas.js";
import { element, texts } from "../js/dom.js";
import { toBlob } from "../js/shrink.js";
import { showSnippet } from "./snippet-box.js";

/** @typedef {import("../js/boxes.js").Detection} Detection */
/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */

const DRAWN_QUALITY = 0.92;

const panel = element("result", HTMLElement);
const status = element("status", HTMLElement);
const picture = element("picture", HTMLImageElement);
const canvas = element("boxes", HTMLCanvasElement);
const threshold = element("threshold", HTMLInputElement);
const showNames = element("show-names", HTMLInputElement);
const showScores = element("show-scores", HTMLInputElement);
const asReceived = element("as-received", HTMLInputElement);
const classes = new ClassChips(element("classes", HTMLElement), "picture.hidden");
const objects = element("objects", HTMLElement);

/** @type {import("../js/api.js").PictureAnswer | null} */
let result = null;
/** @type {ChosenPicture | null} null for a picture that was reopened */
let source = null;
/** @type {Detection[]} */
let visible = [];
/** @type {Detection | null} */
let highlighted = null;

/**
 * @param {import("../js/api.js").PictureAnswer} answer
 * @param {ChosenPicture | null} from the picture that was sent; null for a kept one
 */
export function showResult(answer, from) {
  if (answer === result) return;
  const { detections, image, timing_ms } = answer;
  result = answer;
  source = from;
  highlighted = null;
  classes.clear();
  objects.replaceChildren(...detections.map(objectRow));

  const total = Object.values(timing_ms).reduce((sum, ms) => sum + ms, 0);
  element("model-name", HTMLElement).textContent = answer.model;
  element("picture-size", HTMLElement).textContent = `${image.width} × ${image.height}`;
  element("inference-ms", HTMLElement).textContent = `${Math.round(timing_ms.inference)} ms`;
  element("total-ms", HTMLElement).textContent = `${Math.round(total)} ms`;
  showKeeping(answer);
  panel.hidden = false;
  showPicture();
  showSnippet(source);
  filter();
}

/**
 * Only of a kept picture the server has more to give.
 * @param {import("../js/api.js").PictureAnswer} answer
 */
function showKeeping({ page_url, not_kept }) {
  const link = element("kept-link", HTMLAnchorElement);
  link.href = page_url ?? "";
  link.hidden = !page_url;
  for (const download of document.querySelectorAll("a[data-export]")) {
    /** @type {HTMLElement} */ (download).hidden = !page_url;
  }
  const reason = element("not-kept", HTMLElement);
  reason.textContent = not_kept ? texts(reason).reason.replace("{reason}", not_kept.detail) : "";
}

/** Forget the result, as it belongs to another picture. */
export function clearResult() {
  result = null;
  panel.hidden = true;
  draw();
}

/** Apply the threshold and the class chips to list, chips, boxes and downloads. */
function filter() {
  if (!result) return;
  const { detections } = result;
  const score = threshold.valueAsNumber;
  classes.update(detections, score);
  visible = visibleDetections(detections, { threshold: score, hiddenClasses: classes.hidden });
  detections.forEach((detection, index) => {
    /** @type {HTMLElement} */ (objects.children[index]).hidden = !visible.includes(detection);
  });
  element("threshold-text", HTMLOutputElement).value = percent(score);
  status.textContent = statusText(detections.length);
  linkDownloads(score);
  draw();
}

/** @param {number} found how many boxes the server sent */
function statusText(found) {
  const { shown, unsure, nothing } = texts(status);
  if (found === 0) return nothing;
  return visible.length ? shown.replace("{count}", String(visible.length)) : unsure;
}

/**
 * Downloads hold what is shown.
 * @param {number} score
 */
function linkDownloads(score) {
  for (const link of document.querySelectorAll("a[data-export]")) {
    if (!(link instanceof HTMLAnchorElement)) continue;
    const wishes = {
      as: texts(link).export,
      score_threshold: String(score),
      class_ids: classes.shown.join(","),
    };
    link.href = `${result?.export_url}?${new URLSearchParams(wishes)}`;
  }
}

/** The canvas has one pixel for each of the screen's, whatever the picture's own size. */
function draw() {
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  if (!result) return;
  const ctx = context(canvas);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  drawOn(ctx, width, height);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} width in units of the canvas
 * @param {number} height
 */
function drawOn(ctx, width, height) {
  drawDetections(ctx, visible, {
    width,
    height,
    scale: width / (result?.image.width ?? width),
    showNames: showNames.checked,
    showScores: showScores.checked,
    highlighted,
  });
}

/** The picture itself, or the copy that the server received and sends back. */
function showPicture() {
  const received = result?.original_url;
  const url = (asReceived.checked && received) || source?.image.src;
  if (url) picture.src = url;
  element("as-received-switch", HTMLElement).hidden = !source || !received;
}

/** @param {Detection | null} detection */
function highlight(detection) {
  if (detection === highlighted) return;
  highlighted = detection;
  result?.detections.forEach((one, index) => {
    objects.children[index].classList.toggle("highlighted", one === detection);
  });
  draw();
}

/** The picture in its full size with the boxes as they are shown. */
async function downloadDrawn() {
  const full = document.createElement("canvas");
  full.width = picture.naturalWidth;
  full.height = picture.naturalHeight;
  const boxes = document.createElement("canvas");
  Object.assign(boxes, { width: full.width, height: full.height });
  drawOn(context(boxes), boxes.width, boxes.height);
  context(full).drawImage(picture, 0, 0);
  context(full).drawImage(boxes, 0, 0);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await toBlob(full, DRAWN_QUALITY));
  const name = source?.file.name ?? "picture";
  link.download = `${name.replace(/\.\w+$/, "")}-boxes.jpg`;
  link.click();
  URL.revokeObjectURL(link.href);
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
 * The box under the pointer.
 * @param {MouseEvent} event
 */
function pointedAt({ offsetX, offsetY }) {
  if (!result) return null;
  const scale = canvas.clientWidth / result.image.width;
  return detectionAt(visible, offsetX / scale, offsetY / scale);
}

/** @param {HTMLCanvasElement} of */
function context(of) {
  return /** @type {CanvasRenderingContext2D} */ (of.getContext("2d"));
}

threshold.addEventListener("input", filter);
classes.container.addEventListener("change", filter);
showNames.addEventListener("change", draw);
showScores.addEventListener("change", draw);
asReceived.addEventListener("change", showPicture);
canvas.addEventListener("mousemove", (event) => highlight(pointedAt(event)));
canvas.addEventListener("mouseleave", () => highlight(null));
canvas.addEventListener("click", (event) => {
  const detection = pointedAt(event);
  const row = detection && objects.children[result?.detections.indexOf(detection) ?? 0];
  if (row instanceof HTMLElement) row.focus();
});
element("download-drawn", HTMLButtonElement).addEventListener("click", downloadDrawn);
new ResizeObserver(draw).observe(canvas);
