/** Shows a frame with its boxes, the current counts, and their chart. */

import { classColour, classCounts, cssColour, scaleBox } from "../js/drawing/boxes.js";
import { context2d, screenContext } from "../js/drawing/canvas.js";
import { colourDot } from "../js/drawing/class-chips.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, texts } from "../js/dom.js";
import { Filters } from "../js/drawing/filters.js";
import { rememberControls } from "../js/memory.js";
import { drawTails, tailsOf } from "../js/tracks/tails.js";
import { CountHistory, drawHistory } from "./history.js";

/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/** @typedef {import("./camera-socket.js").FrameResult} FrameResult */

// Text that changes with every frame is unreadable.
const TEXT_INTERVAL_MS = 1000;
// How long the paths of tracked objects are.
const TAIL_MS = 1000;

const frameCanvas = element("frame", HTMLCanvasElement);
const boxesCanvas = element("boxes", HTMLCanvasElement);
const chart = element("chart", HTMLCanvasElement);
const legend = element("chart-legend", HTMLElement);
export const filters = new Filters("camera");
export const mirror = element("mirror", HTMLInputElement);
const inSight = element("in-sight", HTMLElement);
const history = new CountHistory();
/** @type {Map<number, string>} by class id */
const classNames = new Map();

/** @type {{bitmap: ImageBitmap, result: FrameResult} | null} */
let shown = null;
let textUpdatedMs = 0;
/** @type {{shownMs: number, result: FrameResult}[]} the last frames, for the paths of objects */
let past = [];

/**
 * Draw a frame with its result. The bitmap is closed when the next frame is shown.
 * @param {ImageBitmap} bitmap
 * @param {FrameResult} result
 */
export function show(bitmap, result) {
  shown?.bitmap.close();
  shown = { bitmap, result };
  const nowMs = performance.now();
  past = [...past.filter(({ shownMs }) => shownMs > nowMs - TAIL_MS), { shownMs: nowMs, result }];
  draw();
  history.add(nowMs, classCounts(visible(), filters.threshold));
  for (const { class_id, class_name } of visible()) classNames.set(class_id, class_name);
  drawChart();
  if (nowMs - textUpdatedMs > TEXT_INTERVAL_MS) {
    textUpdatedMs = nowMs;
    showCounts();
    showLegend();
  }
}

/** @returns {HTMLCanvasElement | null} the current frame with its boxes, in the frame's size */
export function snapshot() {
  if (!shown) return null;
  const canvas = document.createElement("canvas");
  paint(canvas);
  return canvas;
}

/**
 * Paint the current frame with its boxes on a canvas.
 * @param {HTMLCanvasElement} canvas is resized to the frame
 */
export function paint(canvas) {
  if (!shown) return;
  const { width, height } = shown.bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const layer = document.createElement("canvas");
  Object.assign(layer, { width, height });
  drawFrame(context2d(canvas), width, height);
  drawBoxes(context2d(layer), width, height);
  context2d(canvas).drawImage(layer, 0, 0);
}

function draw() {
  if (!shown) return;
  const { bitmap } = shown;
  const stage = /** @type {HTMLElement} */ (frameCanvas.parentElement);
  stage.style.setProperty("--ratio", String(bitmap.width / bitmap.height));
  frameCanvas.width = bitmap.width;
  frameCanvas.height = bitmap.height;
  drawFrame(context2d(frameCanvas), bitmap.width, bitmap.height);

  // Boxes and labels are sharp even over a small frame.
  const { ctx, width, height } = screenContext(boxesCanvas);
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
  filters.draw(ctx, detections, { width, height, imageWidth });
  const frames = past.map(({ result }) => {
    const scaled = scaledTo(imageWidth, result);
    return mirror.checked ? mirrored(scaled, imageWidth) : scaled;
  });
  drawTails(ctx, tailsOf(frames, detections), width / imageWidth);
}

/**
 * The detections as in a frame of another size: the size adapts to the network.
 * @param {number} width
 * @param {FrameResult} result
 */
function scaledTo(width, { detections, image }) {
  return detections.map((detection) => ({ ...detection, box: scaleBox(detection.box, width / image.width) }));
}

/**
 * Mirror the boxes but not their labels.
 * @param {Detection[]} detections
 * @param {number} width of the frame in pixels
 * @returns {Detection[]}
 */
export function mirrored(detections, width) {
  return detections.map((detection) => {
    const [xMin, yMin, xMax, yMax] = detection.box;
    return { ...detection, box: [width - xMax, yMin, width - xMin, yMax] };
  });
}

function visible() {
  return filters.apply(shown?.result.detections ?? []);
}

/** List the visible objects as text. */
function showCounts() {
  const names = new Map(visible().map(({ class_id, class_name }) => [class_id, class_name]));
  const counts = classCounts(visible(), filters.threshold);
  const parts = [...counts].map(([classId, count]) => `${count} × ${shownName(names.get(classId) ?? "")}`);
  inSight.textContent = parts.join(texts(inSight).comma) || texts(inSight).nothing;
}

function drawChart() {
  const { ctx, width, height } = screenContext(chart);
  const { color: ink, font } = getComputedStyle(chart);
  const { past, now } = texts(chart);
  const colourOf = (/** @type {number} */ classId) => cssColour(classColour(classId));
  drawHistory(ctx, history, { width, height, colourOf, ink, font, past, now });
}

function showLegend() {
  const shownIds = [...history.counts.keys()];
  const isSame = shownIds.join() === legend.dataset.classes;
  if (isSame) return;
  legend.dataset.classes = shownIds.join();
  const items = shownIds.map((classId) => {
    const item = document.createElement("li");
    item.append(colourDot(classId), shownName(classNames.get(classId) ?? ""));
    return item;
  });
  legend.replaceChildren(...items);
}

function redraw() {
  visible();
  draw();
  if (shown) showCounts();
}

rememberControls("camera", [mirror]);
for (const control of [...filters.controls, mirror]) control.addEventListener("input", redraw);
new ResizeObserver(draw).observe(boxesCanvas);
redraw();
