/** Shows a frame, and over it the boxes that pass the filters. */

import { percent, visibleDetections } from "../js/boxes.js";
import { context2d, screenContext } from "../js/canvas.js";
import { ClassChips } from "../js/class-chips.js";
import { drawDetections } from "../js/detection-canvas.js";
import { element } from "../js/dom.js";
import { rememberControls } from "../js/memory.js";
import { shrunkSize } from "../js/shrink.js";

/** @typedef {import("./sources.js").Frame} Frame */

// Larger canvases would only cost memory.
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
 * Set the size of the frames.
 * @param {import("./video.js").Video} video
 */
export function prepareView({ width, height }) {
  videoWidth = width;
  Object.assign(picture, shrunkSize({ width, height }, LONGEST_SIDE));
  frameBox.style.setProperty("--ratio", String(width / height));
  fitWindow();
}

/** Tell the style sheet how much of the window is left for the picture and its controls. */
function fitWindow() {
  const above = frameBox.getBoundingClientRect().top + scrollY;
  frameBox.style.setProperty("--above", `${above}px`);
}

/**
 * Show a frame. The canvas has its index, its source, and the number of frames shown as `data-*`.
 * @param {Frame} frame
 * @param {string} source
 */
export function showFrame(frame, source) {
  detections = frame.detections;
  frame.picture.draw(context2d(picture), picture.width, picture.height);
  redraw();
  picture.dataset.source = source;
  picture.dataset.frameIndex = String(frame.frame_index);
  picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
}

/** Remove the boxes and the chips, as there will be those of another model. */
export function clearBoxes() {
  detections = [];
  chips.clear();
  redraw();
}

/** The current filters, as fields of a request for a rendering. */
export function shownOptions() {
  return {
    score_threshold: threshold.valueAsNumber,
    hidden_classes: [...chips.hidden],
    show_names: showNames.checked,
    show_scores: showScores.checked,
  };
}

/** Apply the filters to the boxes and the chips. */
function redraw() {
  const score = threshold.valueAsNumber;
  element("threshold-text", HTMLOutputElement).value = percent(score);
  chips.update(detections, score);
  if (!videoWidth) return;
  const { ctx, width, height } = screenContext(boxes);
  drawDetections(ctx, visibleDetections(detections, { threshold: score, hiddenClasses: chips.hidden }), {
    width,
    height,
    scale: width / videoWidth,
    showNames: showNames.checked,
    showScores: showScores.checked,
    highlighted: null,
  });
}

rememberControls("video", [threshold, showNames, showScores]);
element("filters", HTMLElement).addEventListener("input", redraw);
addEventListener("resize", fitWindow);
new ResizeObserver(redraw).observe(boxes);
