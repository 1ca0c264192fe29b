/** The result over and beside the picture. Filters only redraw: the server sent every box. */

import { classColour, classCounts, cssColour, percent, visibleDetections } from "../js/boxes.js";
import { drawDetections } from "../js/detection-canvas.js";
import { element, texts } from "../js/dom.js";

/** @typedef {import("../js/boxes.js").Detection} Detection */

const panel = element("result", HTMLElement);
const status = element("status", HTMLElement);
const canvas = element("boxes", HTMLCanvasElement);
const threshold = element("threshold", HTMLInputElement);
const showNames = element("show-names", HTMLInputElement);
const showScores = element("show-scores", HTMLInputElement);
const classes = element("classes", HTMLElement);
const objects = element("objects", HTMLElement);

/** @type {import("../js/api.js").Detections | null} */
let result = null;
/** @type {Detection[]} */
let visible = [];
/** @type {Detection | null} */
let highlighted = null;

/** @param {import("../js/api.js").Detections} answer */
export function showResult(answer) {
  const { detections, image, timing_ms } = answer;
  result = answer;
  highlighted = null;
  const nameOf = new Map(detections.map(({ class_id, class_name }) => [class_id, class_name]));
  classes.replaceChildren(...Array.from(nameOf, ([id, name]) => classChip(id, name)));
  objects.replaceChildren(...detections.map(objectRow));

  const total = Object.values(timing_ms).reduce((sum, ms) => sum + ms, 0);
  element("model-name", HTMLElement).textContent = answer.model;
  element("picture-size", HTMLElement).textContent = `${image.width} × ${image.height}`;
  element("inference-ms", HTMLElement).textContent = `${Math.round(timing_ms.inference)} ms`;
  element("total-ms", HTMLElement).textContent = `${Math.round(total)} ms`;
  panel.hidden = false;
  filter();
}

/** Forget the result, as it belongs to another picture. */
export function clearResult() {
  result = null;
  panel.hidden = true;
  draw();
}

/** Apply the threshold and the class chips to list, chips and boxes. */
function filter() {
  if (!result) return;
  const { detections } = result;
  const score = threshold.valueAsNumber;
  const chips = [...classes.querySelectorAll("input")];
  const hidden = chips.filter((chip) => !chip.checked).map((chip) => Number(chip.value));
  visible = visibleDetections(detections, { threshold: score, hiddenClasses: new Set(hidden) });

  const counts = classCounts(detections, score);
  for (const chip of chips) {
    const count = counts.get(Number(chip.value)) ?? 0;
    const label = /** @type {HTMLLabelElement} */ (chip.parentElement);
    /** @type {HTMLElement} */ (label.lastElementChild).textContent = String(count);
    label.hidden = count === 0;
  }
  detections.forEach((detection, index) => {
    /** @type {HTMLElement} */ (objects.children[index]).hidden = !visible.includes(detection);
  });
  element("threshold-text", HTMLOutputElement).value = percent(score);
  status.textContent = statusText(detections.length);
  draw();
}

/** @param {number} found how many boxes the server sent */
function statusText(found) {
  const { shown, unsure, nothing } = texts(status);
  if (found === 0) return nothing;
  return visible.length ? shown.replace("{count}", String(visible.length)) : unsure;
}

/** The canvas has one pixel for each of the screen's, whatever the picture's own size. */
function draw() {
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  if (!result) return;
  ctx.scale(devicePixelRatio, devicePixelRatio);
  drawDetections(ctx, visible, {
    width,
    height,
    scale: width / result.image.width,
    showNames: showNames.checked,
    showScores: showScores.checked,
    highlighted,
  });
}

/**
 * A checkbox that shows or hides a class; its last element holds the count.
 * @param {number} classId
 * @param {string} name
 */
function classChip(classId, name) {
  const chip = document.createElement("label");
  const input = document.createElement("input");
  input.type = "checkbox";
  input.value = String(classId);
  input.checked = true;
  chip.append(input, colourDot(classId), name, document.createElement("small"));
  return chip;
}

/** @param {Detection} detection */
function objectRow(detection) {
  const row = document.createElement("li");
  const score = document.createElement("span");
  score.textContent = percent(detection.score);
  row.tabIndex = 0;
  row.append(colourDot(detection.class_id), detection.class_name, score);
  for (const [event, target] of /** @type {const} */ ([
    ["mouseenter", detection],
    ["focus", detection],
    ["mouseleave", null],
    ["blur", null],
  ])) {
    row.addEventListener(event, () => {
      highlighted = target;
      draw();
    });
  }
  return row;
}

/** @param {number} classId */
function colourDot(classId) {
  const dot = document.createElement("i");
  dot.style.backgroundColor = cssColour(classColour(classId));
  return dot;
}

threshold.addEventListener("input", filter);
classes.addEventListener("change", filter);
showNames.addEventListener("change", draw);
showScores.addEventListener("change", draw);
new ResizeObserver(draw).observe(canvas);
