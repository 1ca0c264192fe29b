/** Draws detections like `ml_core/pictures/drawing.py`, on a transparent canvas over the picture. */

import { cssColour, detectionColour, labelText, scaleBox, textColour } from "./boxes.js";
import { labelPlaces } from "./label-places.js";

/** @typedef {import("./boxes.js").Detection} Detection */
/** @typedef {{detection: Detection, text: string, width: number, height: number}} LabelText */
/** @typedef {LabelText & import("./label-places.js").Place} Label */
/**
 * `scale` is in canvas units per pixel of the picture. All but the `highlighted` one are faded.
 * @typedef {object} DrawOptions
 * @property {number} width
 * @property {number} height
 * @property {number} scale
 * @property {boolean} showNames
 * @property {boolean} showScores
 * @property {Detection | null} highlighted
 */

/**
 * Clear the canvas and draw detections. The highlighted one is on top, then come higher scores.
 * Labels are above all boxes and do not overlap; they are placed in the same order.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Detection[]} detections sorted by score, highest first
 * @param {DrawOptions} options
 */
export function drawDetections(ctx, detections, options) {
  const { width, height, highlighted } = options;
  ctx.clearRect(0, 0, width, height);
  const unit = Math.max(width, height) / 100;
  ctx.lineWidth = Math.max(2, unit * 0.35);
  const fontSize = Math.max(11, unit * 2.2);
  ctx.font = `${fontSize}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";

  const others = detections.filter((detection) => detection !== highlighted);
  const ordered = highlighted ? [highlighted, ...others] : others;
  const labels = placedLabels(ctx, ordered, fontSize, options);
  /** @param {Detection} detection */
  const fade = (detection) => {
    ctx.globalAlpha = !highlighted || detection === highlighted ? 1 : 0.3;
  };
  for (const detection of [...ordered].reverse()) {
    fade(detection);
    drawBox(ctx, detection, options.scale);
  }
  for (const label of labels.reverse()) {
    fade(label.detection);
    drawLabel(ctx, label, fontSize);
  }
  ctx.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Detection} detection
 * @param {number} scale
 */
function drawBox(ctx, detection, scale) {
  const [xMin, yMin, xMax, yMax] = scaleBox(detection.box, scale);
  const line = ctx.lineWidth;
  ctx.strokeStyle = cssColour(detectionColour(detection));
  // A stroke is centred on its path, so move it inwards by half its width.
  ctx.strokeRect(xMin + line / 2, yMin + line / 2, xMax - xMin - line, yMax - yMin - line);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Detection[]} detections in the order in which labels are placed
 * @param {number} fontSize
 * @param {DrawOptions} options
 * @returns {Label[]} without those that find no place
 */
function placedLabels(ctx, detections, fontSize, options) {
  const height = Math.ceil(fontSize * 1.4);
  const labels = detections.flatMap((detection) => {
    const text = labelText(detection, options);
    if (!text) return [];
    const width = Math.ceil(ctx.measureText(text).width + (fontSize * 2) / 3);
    return [{ detection, text, width, height, box: scaleBox(detection.box, options.scale) }];
  });
  const room = {
    width: Math.floor(options.width),
    height: Math.floor(options.height),
    labelHeight: height,
    gap: Math.ceil(ctx.lineWidth / 2),
  };
  const places = labelPlaces(labels, room);
  return labels.flatMap((label, index) => {
    const place = places[index];
    return place ? [{ ...label, ...place }] : [];
  });
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Label} label
 * @param {number} fontSize
 */
function drawLabel(ctx, { detection, text, x, y, width, height }, fontSize) {
  const colour = detectionColour(detection);
  ctx.fillStyle = cssColour(colour);
  ctx.fillRect(x, y, width, height);
  ctx.fillStyle = cssColour(textColour(colour));
  ctx.fillText(text, x + fontSize / 3, y + height / 2);
}
