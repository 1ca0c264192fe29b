/** Draws detections as `ml_core/drawing.py` does, on a transparent canvas over the picture. */

import { classColour, cssColour, labelPlace, labelText, scaleBox, textColour } from "./boxes.js";

/** @typedef {import("./boxes.js").Detection} Detection */
/**
 * `scale` is canvas units per pixel of the picture; all but the `highlighted` one fade.
 * @typedef {object} DrawOptions
 * @property {number} width
 * @property {number} height
 * @property {number} scale
 * @property {boolean} showNames
 * @property {boolean} showScores
 * @property {Detection | null} highlighted
 */

/**
 * Clear the canvas and draw; the surest box lies on top, or else the highlighted one.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Detection[]} detections the surest first
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

  const others = detections.filter((detection) => detection !== highlighted).reverse();
  ctx.globalAlpha = highlighted ? 0.3 : 1;
  for (const detection of others) {
    drawDetection(ctx, detection, fontSize, options);
  }
  ctx.globalAlpha = 1;
  if (highlighted) {
    drawDetection(ctx, highlighted, fontSize, options);
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Detection} detection
 * @param {number} fontSize
 * @param {DrawOptions} options
 */
function drawDetection(ctx, detection, fontSize, options) {
  const colour = classColour(detection.class_id);
  const box = scaleBox(detection.box, options.scale);
  const [xMin, yMin, xMax, yMax] = box;
  const line = ctx.lineWidth;
  ctx.strokeStyle = cssColour(colour);
  // A line lies on both sides of its path: half a line inwards keeps it in the box.
  ctx.strokeRect(xMin + line / 2, yMin + line / 2, xMax - xMin - line, yMax - yMin - line);

  const text = labelText(detection, options);
  if (text) {
    const padding = fontSize / 3;
    const label = { width: ctx.measureText(text).width + 2 * padding, height: fontSize * 1.4 };
    const { x, y } = labelPlace(box, label, options.width);
    ctx.fillStyle = cssColour(colour);
    ctx.fillRect(x, y, label.width, label.height);
    ctx.fillStyle = cssColour(textColour(colour));
    ctx.fillText(text, x + padding, y + label.height / 2);
  }
}
