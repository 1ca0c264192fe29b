/** Pure functions that compare the results of two models on one picture. */

/** @typedef {import("../js/drawing/boxes.js").Box} Box */
/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/**
 * What only one of the models found, or the same object with different classes.
 * @typedef {{first: Detection, second: null} | {first: null, second: Detection} |
 *   {first: Detection, second: Detection}} Difference
 */

/** @typedef {{first: Detection, second: Detection}} Agreement an object that both found */

// Boxes that overlap by this much are of the same object, as in mAP@0.5.
const SAME_OBJECT_IOU = 0.5;

/**
 * Match the detections of two models, each with at most one of the other: first those of the same
 * class (by name, as class ids of models differ), then those of different classes, the largest
 * overlap first.
 * @param {Detection[]} first
 * @param {Detection[]} second
 * @returns {{agreed: Agreement[], differences: Difference[]}} the objects that both found with the
 *   same class, and the differences; each with the highest score first
 */
export function compareDetections(first, second) {
  const pairs = first
    .flatMap((one) => second.map((other) => ({ one, other, iou: boxIou(one.box, other.box) })))
    .filter(({ iou }) => iou >= SAME_OBJECT_IOU)
    .map((pair) => ({ ...pair, isAgreed: pair.one.class_name === pair.other.class_name }))
    .sort((a, b) => Number(b.isAgreed) - Number(a.isAgreed) || b.iou - a.iou);
  const matched = new Set();
  /** @type {Agreement[]} */
  const agreed = [];
  /** @type {Difference[]} */
  const differences = [];
  for (const { one, other, isAgreed } of pairs) {
    if (matched.has(one) || matched.has(other)) continue;
    matched.add(one).add(other);
    (isAgreed ? agreed : differences).push({ first: one, second: other });
  }
  for (const one of first) if (!matched.has(one)) differences.push({ first: one, second: null });
  for (const one of second) if (!matched.has(one)) differences.push({ first: null, second: one });
  for (const list of [agreed, differences]) list.sort((a, b) => score(b) - score(a));
  return { agreed, differences };
}

/** @param {Difference} difference */
function score({ first, second }) {
  return Math.max(first?.score ?? 0, second?.score ?? 0);
}

/**
 * Intersection over union.
 * @param {Box} one
 * @param {Box} other
 * @returns {number} from 0 to 1
 */
export function boxIou(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const common = width * height;
  return common / (boxArea(one) + boxArea(other) - common);
}

/** @param {Box} box */
function boxArea([xMin, yMin, xMax, yMax]) {
  return (xMax - xMin) * (yMax - yMin);
}
