/** The paths of tracked objects over the last second, drawn as tails. */

import { classColour, cssColour } from "../drawing/boxes.js";

/** @typedef {import("../drawing/boxes.js").Detection} Detection */
/** @typedef {import("./regions.js").Point} Point */
/** @typedef {Map<number, Point[]>} Tails by track id, the oldest point first */

/**
 * The point of a box that stands on the ground: the middle of its bottom edge. It is the one that
 * crosses lines and enters zones.
 * @param {Detection} detection
 * @returns {Point}
 */
export function anchor({ box: [xMin, , xMax, yMax] }) {
  return [(xMin + xMax) / 2, yMax];
}

/**
 * Add the track ids to a frame's detections.
 * @param {Detection[]} detections
 * @param {(number | null)[] | undefined} ids in the same order; undefined if they are not known yet
 * @returns {Detection[]}
 */
export function withTrackIds(detections, ids) {
  return detections.map((detection, index) => ({ ...detection, track_id: ids?.[index] ?? null }));
}

/**
 * The paths of the objects that are visible now.
 * @param {Detection[][]} frames with track ids: the last ones in order, and the current one
 * @param {Detection[]} visible those of the current frame
 * @returns {Tails}
 */
export function tailsOf(frames, visible) {
  /** @type {Tails} */
  const tails = new Map();
  for (const { track_id } of visible) if (track_id) tails.set(track_id, []);
  for (const detections of frames) {
    for (const detection of detections) {
      if (detection.track_id) tails.get(detection.track_id)?.push(anchor(detection));
    }
  }
  return tails;
}

/**
 * Draw tails below what is on the canvas already.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Tails} tails in pixels of the picture
 * @param {number} scale canvas units per pixel of the picture
 */
export function drawTails(ctx, tails, scale) {
  ctx.save();
  ctx.globalCompositeOperation = "destination-over";
  ctx.lineJoin = ctx.lineCap = "round";
  for (const [trackId, points] of tails) {
    ctx.strokeStyle = cssColour(classColour(trackId));
    ctx.beginPath();
    for (const [x, y] of points) ctx.lineTo(x * scale, y * scale);
    ctx.stroke();
  }
  ctx.restore();
}
