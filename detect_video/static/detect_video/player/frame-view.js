/** Shows a frame, and over it the boxes that pass the filters. */

import { context2d, screenContext } from "../../js/drawing/canvas.js";
import { element } from "../../js/dom.js";
import { Filters } from "../../js/drawing/filters.js";
import { shrunkSize } from "../../js/files/shrink.js";
import { drawTails, tailsOf, withTrackIds } from "../../js/tracks/tails.js";

/** @typedef {import("../sources.js").Frame} Frame */
/** @typedef {import("./result-store.js").Result} Result */
/**
 * @typedef {object} Tracks
 * @property {(frameIndex: number) => (number | null)[] | undefined} idsOf the detections of a frame
 * @property {(frameIndex: number) => Result[]} before the results of the last second, as far as they
 *   are known
 */

// Larger canvases would only cost memory.
const LONGEST_SIDE = 1920;

const frameBox = element("frame", HTMLElement);
const picture = element("picture", HTMLCanvasElement);
const boxes = element("boxes", HTMLCanvasElement);
export const filters = new Filters("video");

/** @type {import("../../js/drawing/boxes.js").Detection[]} */
let detections = [];
let frameIndex = 0;
let videoWidth = 0;
/** @type {Tracks | null} null if they are not shown */
let tracks = null;

/**
 * Set the size of the frames.
 * @param {import("../video.js").Video} video
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
  frameIndex = frame.frame_index;
  frame.picture.draw(context2d(picture), picture.width, picture.height);
  redraw();
  picture.dataset.source = source;
  picture.dataset.frameIndex = String(frame.frame_index);
  picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
}

/** Remove the boxes and the chips, as there will be those of another model. */
export function clearBoxes() {
  detections = [];
  filters.chips.clear();
  redraw();
}

/**
 * Draw each object in the colour of its track, with its path.
 * @param {Tracks | null} shown null draws them in the colours of their classes
 */
export function showTracks(shown) {
  tracks = shown;
  redraw();
}

/** The current filters, as fields of a request for a rendering. */
export function shownOptions() {
  return {
    score_threshold: filters.threshold,
    hidden_classes: [...filters.chips.hidden],
    show_names: filters.showNames.checked,
    show_scores: filters.showScores.checked,
    show_tracks: tracks !== null,
    show_regions: element("counting", HTMLDetailsElement).open,
  };
}

/** Apply the filters to the boxes and the chips. */
function redraw() {
  const ids = tracks?.idsOf(frameIndex);
  const visible = filters.apply(tracks ? withTrackIds(detections, ids) : detections);
  if (!videoWidth) return;
  const { ctx, width, height } = screenContext(boxes);
  filters.draw(ctx, visible, { width, height, imageWidth: videoWidth });
  if (tracks) drawTails(ctx, tailsOf([...pastDetections(tracks), visible], visible), width / videoWidth);
}

/** @param {Tracks} shown */
function pastDetections({ idsOf, before }) {
  return before(frameIndex).map((past) => withTrackIds(past.detections, idsOf(past.frame_index)));
}

for (const control of filters.controls) control.addEventListener("input", redraw);
addEventListener("resize", fitWindow);
new ResizeObserver(redraw).observe(boxes);
