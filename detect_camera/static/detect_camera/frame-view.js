/** What is seen: a frame, its boxes over it, and what they count up to. */

import { classColour, classCounts, cssColour, percent, visibleDetections } from "../js/boxes.js";
import { ClassChips, colourDot } from "../js/class-chips.js";
import { shownName } from "../js/class-names.js";
import { drawDetections } from "../js/detection-canvas.js";
import { element, texts } from "../js/dom.js";
import { rememberControls } from "../js/memory.js";
import { CountHistory, drawHistory } from "./history.js";

/** @typedef {import("../js/boxes.js").Detection} Detection */
/** @typedef {import("./link.js").FrameResult} FrameResult */

const frameCanvas = element("frame", HTMLCanvasElement);
const boxesCanvas = element("boxes", HTMLCanvasElement);
const chart = element("chart", HTMLCanvasElement);
const legend = element("chart-legend", HTMLElement);
const threshold = element("threshold", HTMLInputElement);
const showNames = element("show-names", HTMLInputElement);
const showScores = element("show-scores", HTMLInputElement);
const mirror = element("mirror", HTMLInputElement);
const inSight = element("in-sight", HTMLElement);
const chips = new ClassChips(element("classes", HTMLElement), "camera.hidden");
const history = new CountHistory();
/** @type {Map<number, string>} of the classes in the chart */
const chartNames = new Map();

/** @type {{bitmap: ImageBitmap, result: FrameResult} | null} */
let shown = null;
let told_ms = 0;

/**
 * Draw a frame with its own result; the bitmap is closed when the next one comes.
 * @param {ImageBitmap} bitmap
 * @param {FrameResult} result
 */
export function show(bitmap, result) {
  shown?.bitmap.close();
  shown = { bitmap, result };
  draw();
  const now_ms = performance.now();
  const counts = classCounts(visible(), threshold.valueAsNumber);
  history.add(now_ms, counts);
  for (const { class_id, class_name } of visible()) chartNames.set(class_id, class_name);
  drawChart();
  // Words that change thirty times in a second cannot be read.
  if (now_ms - told_ms > 1000) {
    told_ms = now_ms;
    tell();
    showLegend();
  }
}

/** Draw what is shown on a canvas of its own, as large as the frame. */
export function snapshot() {
  if (!shown) return null;
  const canvas = document.createElement("canvas");
  paint(canvas);
  return canvas;
}

/**
 * The frame with its boxes on one canvas.
 * @param {HTMLCanvasElement} canvas takes the size of the frame
 */
export function paint(canvas) {
  if (!shown) return;
  const { width, height } = shown.bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const layer = document.createElement("canvas");
  Object.assign(layer, { width, height });
  drawFrame(context(canvas), width, height);
  drawBoxes(context(layer), width, height);
  context(canvas).drawImage(layer, 0, 0);
}

function draw() {
  if (!shown) return;
  const { bitmap } = shown;
  const stage = /** @type {HTMLElement} */ (frameCanvas.parentElement);
  stage.style.setProperty("--ratio", String(bitmap.width / bitmap.height));
  frameCanvas.width = bitmap.width;
  frameCanvas.height = bitmap.height;
  drawFrame(context(frameCanvas), bitmap.width, bitmap.height);

  // Lines and letters get the screen's own pixels, however small the frame is.
  const { clientWidth: width, clientHeight: height } = boxesCanvas;
  boxesCanvas.width = Math.round(width * devicePixelRatio);
  boxesCanvas.height = Math.round(height * devicePixelRatio);
  const ctx = context(boxesCanvas);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  drawBoxes(ctx, width, height);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} width
 * @param {number} height
 */
function drawFrame(ctx, width, height) {
  if (!shown) return;
  ctx.save();
  if (mirror.checked) {
    ctx.translate(width, 0);
    ctx.scale(-1, 1);
  }
  ctx.drawImage(shown.bitmap, 0, 0, width, height);
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} width
 * @param {number} height
 */
function drawBoxes(ctx, width, height) {
  const imageWidth = shown?.result.image.width ?? width;
  const detections = mirror.checked ? mirrored(visible(), imageWidth) : visible();
  drawDetections(ctx, detections, {
    width,
    height,
    scale: width / imageWidth,
    showNames: showNames.checked,
    showScores: showScores.checked,
    highlighted: null,
  });
}

/**
 * Boxes change sides, their letters stay readable.
 * @param {Detection[]} detections
 * @param {number} width of the picture
 * @returns {Detection[]}
 */
export function mirrored(detections, width) {
  return detections.map((detection) => {
    const [xMin, yMin, xMax, yMax] = detection.box;
    return { ...detection, box: [width - xMax, yMin, width - xMin, yMax] };
  });
}

function visible() {
  const detections = shown?.result.detections ?? [];
  chips.update(detections, threshold.valueAsNumber);
  return visibleDetections(detections, {
    threshold: threshold.valueAsNumber,
    hiddenClasses: chips.hidden,
  });
}

/** Say in words what is seen. */
function tell() {
  const names = new Map(visible().map(({ class_id, class_name }) => [class_id, class_name]));
  const counts = classCounts(visible(), threshold.valueAsNumber);
  const parts = [...counts].map(([classId, count]) => `${count} × ${shownName(names.get(classId) ?? "")}`);
  inSight.textContent = parts.join(", ") || texts(inSight).nothing;
}

function drawChart() {
  const { clientWidth: width, clientHeight: height } = chart;
  chart.width = Math.round(width * devicePixelRatio);
  chart.height = Math.round(height * devicePixelRatio);
  const ctx = context(chart);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  const { color: ink, font } = getComputedStyle(chart);
  const { past, now } = texts(chart);
  const colourOf = (/** @type {number} */ classId) => cssColour(classColour(classId));
  drawHistory(ctx, history, { width, height, colourOf, ink, font, past, now });
}

/** Name the lines of the chart. */
function showLegend() {
  const shownIds = [...history.counts.keys()];
  const isSame = shownIds.join() === legend.dataset.classes;
  if (isSame) return;
  legend.dataset.classes = shownIds.join();
  const items = shownIds.map((classId) => {
    const item = document.createElement("li");
    item.append(colourDot(classId), shownName(chartNames.get(classId) ?? ""));
    return item;
  });
  legend.replaceChildren(...items);
}

function redraw() {
  element("threshold-text", HTMLOutputElement).value = percent(threshold.valueAsNumber);
  draw();
  if (shown) tell();
}

/** @param {HTMLCanvasElement} canvas */
function context(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

rememberControls("camera", [threshold, showNames, showScores, mirror]);
for (const control of [threshold, showNames, showScores, mirror, chips.container]) {
  control.addEventListener("input", redraw);
}
new ResizeObserver(draw).observe(boxesCanvas);
redraw();
