/** Pure functions on a classification: order, confidence and texts. */

/** @typedef {{class_id: number, class_name: string, score: number}} Probability */
/**
 * @typedef {object} Classification
 * @property {string} model
 * @property {{width: number, height: number}} image
 * @property {number} class_id
 * @property {string} class_name
 * @property {number} score
 * @property {Probability[]} probabilities of all classes, or the surest of many, by class id
 * @property {Record<string, number>} timing_ms by stage
 * @property {boolean} truncated whether the picture's file is incomplete
 * @property {{code: string, detail: string}} [not_stored] why the picture was not stored
 */

const CONFIDENT_FROM = 0.5;
const SHOWN = 5;

/**
 * @param {Probability[]} probabilities
 * @returns {Probability[]} the five highest scores, highest first
 */
export function ranked(probabilities) {
  return [...probabilities].sort((one, other) => other.score - one.score).slice(0, SHOWN);
}

/** @param {Classification} answer */
export function isUnsure({ score }) {
  return score < CONFIDENT_FROM;
}

/**
 * A score in whole percent, but never 0 or 100, as a network is never certain.
 * @param {number} score from 0 to 1
 * @returns {string} such as `93%` or `< 1%`
 */
export function scoreText(score) {
  const percent = Math.round(score * 100);
  if (percent < 1) return "< 1%";
  return percent > 99 ? "> 99%" : `${percent}%`;
}

/**
 * @param {Classification} answer
 * @returns {string} such as `768 × 576 · resnet56v2-cifar10 · 12 ms`
 */
export function factsText({ image, model, timing_ms }) {
  const total = Object.values(timing_ms).reduce((sum, ms) => sum + ms, 0);
  return `${image.width} × ${image.height} · ${model} · ${Math.round(total)} ms`;
}
