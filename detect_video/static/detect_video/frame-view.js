/** The frame that is shown: its picture, and over it the boxes that pass the filters. */

import { percent, visibleDetections } from "../js/boxes.js";
import { drawDetections } from "../js/detection-canvas.js";
import { element } from "../js/dom.js";
import { ClassChips } from "../js/class-chips.js";
import { rememberControls } from "../js/memory.js";

/** @typedef {import("./sources.js").Frame} Frame */

// A longer side than any screen that shows the page needs.
const LONGEST_SIDE = 1920;

const frameBox = element("frame", HTMLElement);
const picture = element("picture", HTMLCanvasElement);
const boxes = element("boxes", HTMLCanvasElement);
const threshold = element("threshold", HTMLInputElement);
const showNames = element("show-names", HTMLInputElement);
const showScores = element("show-scores", HTMLInputElement);
const chips = new ClassChips(element("classes", HTMLElement), "video.hidden");

/** @type {import("../js/boxes.js").Detection[]} */
let detections = [];
let videoWidth = 0;

/**
 * Make room for frames of that shape.
 * @param {import("./video.js").Video} video
 */
export function prepareScreen({ width, height }) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  videoWidth = width;
  picture.width = Math.round(width * scale);
  picture.height = Math.round(height * scale);
  frameBox.style.setProperty("--ratio", String(width / height));
  fitWindow();
}

/** The picture and its controls shall fit into the window below what stands above them. */
function fitWindow() {
  const above = frameBox.getBoundingClientRect().top + scrollY;
  frameBox.style.setProperty("--above", `${above}px`);
}

/**
 * Show a frame; the attributes of the canvas tell which one, and how many there were.
 * @param {Frame} frame
 * @param {string} source
 */
export function showFrame(frame, source) {
  detections = frame.detections;
  frame.picture.draw(context(picture), picture.width, picture.height);
  redraw();
  picture.dataset.source = source;
  picture.dataset.frameIndex = String(frame.frame_index);
  picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
}

/** What is shown of the results, as the API of exports names it. */
export function shownOptions() {
  return {
    score_threshold: threshold.valueAsNumber,
    hidden_classes: [...chips.hidden],
    show_names: showNames.checked,
    show_scores: showScores.checked,
  };
}

/** Apply the filters to boxes and chips; the canvas has one pixel for each of the screen's. */
function redraw() {
  const score = threshold.valueAsNumber;
  element("threshold-text", HTMLOutputElement).value = percent(score);
  chips.update(detections, score);
  const { clientWidth: width, clientHeight: height } = boxes;
  boxes.width = Math.round(width * devicePixelRatio);
  boxes.height = Math.round(height * devicePixelRatio);
  if (!videoWidth) return;
  const ctx = context(boxes);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  drawDetections(ctx, visibleDetections(detections, { threshold: score, hiddenClasses: chips.hidden }), {
    width,
    height,
    scale: width / videoWidth,
    showNames: showNames.checked,
    showScores: showScores.checked,
    highlighted: null,
  });
}

/** @param {HTMLCanvasElement} canvas */
function context(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

rememberControls("video", [threshold, showNames, showScores]);
element("filters", HTMLElement).addEventListener("input", redraw);
addEventListener("resize", fitWindow);
new ResizeObserver(redraw).observe(boxes);
