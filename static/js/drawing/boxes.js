/** Pure functions for drawing: colours, labels, and which detections are visible. */

import { shownName } from "./class-names.js";

/** @typedef {[x_min: number, y_min: number, x_max: number, y_max: number]} Box */
/** @typedef {[red: number, green: number, blue: number]} Colour */
/**
 * `track_id` is there only if tracks are shown; it is null for an object that is not confirmed.
 * @typedef {{box: Box, class_id: number, class_name: string, score: number, track_id?: number | null}} Detection
 */

// Rotating the hue by the golden ratio gives neighbouring classes distinct colours.
const GOLDEN_RATIO = 0.618033988749895;
/** @type {Colour} */
const UNCONFIRMED = [128, 128, 128];

/**
 * The colour of a class, the same as in `ml_core/pictures/drawing.py`.
 * @param {number} classId
 * @returns {Colour}
 */
export function classColour(classId) {
  const hue = (classId * GOLDEN_RATIO) % 1;
  return hueColour(hue, 0.5, 0.85);
}

/**
 * The colour of a detection's track if tracks are shown, else of its class.
 * @param {Detection} detection
 * @returns {Colour}
 */
export function detectionColour({ class_id, track_id }) {
  return track_id === null ? UNCONFIRMED : classColour(track_id ?? class_id);
}

/**
 * Black or white, whichever has more contrast with `background` (ITU-R BT.601 luma).
 * @param {Colour} background
 * @returns {Colour}
 */
export function textColour([red, green, blue]) {
  const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
  return luma > 140 ? [0, 0, 0] : [255, 255, 255];
}

/**
 * @param {Colour} colour
 * @returns {string}
 */
export function cssColour(colour) {
  return `rgb(${colour.join(" ")})`;
}

/**
 * @param {number} share from 0 to 1
 * @returns {string} such as `98%`
 */
export function percent(share) {
  return `${Math.round(share * 100)}%`;
}

/**
 * The label of a box, such as `dog 98%` or `#7 dog 98%`; may be empty.
 * @param {Detection} detection
 * @param {{showNames: boolean, showScores: boolean}} options
 * @returns {string}
 */
export function labelText(detection, { showNames, showScores }) {
  const name = showNames ? [shownName(detection.class_name)] : [];
  const score = showScores ? [percent(detection.score)] : [];
  const track = detection.track_id ? [`#${detection.track_id}`] : [];
  return [...track, ...name, ...score].join(" ");
}

/**
 * @param {Box} box
 * @param {number} scale
 * @returns {Box}
 */
export function scaleBox([xMin, yMin, xMax, yMax], scale) {
  return [xMin * scale, yMin * scale, xMax * scale, yMax * scale];
}

/**
 * @param {Detection[]} detections
 * @param {{threshold: number, hiddenNames: Set<string>}} filter by class names, as models number their
 *   classes differently
 * @returns {Detection[]}
 */
export function visibleDetections(detections, { threshold, hiddenNames }) {
  return detections.filter(
    ({ score, class_name }) => score >= threshold && !hiddenNames.has(class_name),
  );
}

/**
 * Count the detections of each class that reach the threshold; 0 if none of a class does.
 * @param {Detection[]} detections
 * @param {number} threshold
 * @returns {Map<number, number>} by class id, in the order of the first detection
 */
export function classCounts(detections, threshold) {
  const counts = new Map();
  for (const { class_id, score } of detections) {
    counts.set(class_id, (counts.get(class_id) ?? 0) + (score >= threshold ? 1 : 0));
  }
  return counts;
}

/**
 * The detection with the smallest box around a point, so that boxes within large ones can be
 * selected.
 * @param {Detection[]} detections
 * @param {number} x in pixels of the picture
 * @param {number} y
 * @returns {Detection | null}
 */
export function detectionAt(detections, x, y) {
  /** @param {Detection} detection */
  const area = ({ box: [xMin, yMin, xMax, yMax] }) => (xMax - xMin) * (yMax - yMin);
  const around = detections.filter(
    ({ box: [xMin, yMin, xMax, yMax] }) => x >= xMin && x <= xMax && y >= yMin && y <= yMax,
  );
  return around.sort((one, other) => area(one) - area(other))[0] ?? null;
}

/**
 * Convert a colour from HLS as Python's `colorsys.hls_to_rgb` does.
 * @param {number} hue
 * @param {number} lightness at most 0.5
 * @param {number} saturation
 * @returns {Colour}
 */
function hueColour(hue, lightness, saturation) {
  const high = lightness * (1 + saturation);
  const low = 2 * lightness - high;
  /** @param {number} turn */
  const channel = (turn) => {
    const position = (turn + 1) % 1;
    let value = low;
    if (position < 1 / 6) value = low + (high - low) * position * 6;
    else if (position < 1 / 2) value = high;
    else if (position < 2 / 3) value = low + (high - low) * (2 / 3 - position) * 6;
    return Math.round(value * 255);
  };
  return [channel(hue + 1 / 3), channel(hue), channel(hue - 1 / 3)];
}
