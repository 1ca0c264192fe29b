/** Captures frames of the playing camera: a bitmap to draw later, and a JPEG file to send. */

import { context2d, jpegBlob } from "../js/drawing/canvas.js";
import { shrunkSize } from "../js/files/shrink.js";

// The server rejects smaller pictures.
const MIN_SIDE = 8;

/**
 * Capture the frame that is playing now.
 * @param {HTMLVideoElement} video
 * @param {{side: number, quality: number}} options the longest side in pixels, the JPEG quality
 *   from 0 to 1
 * @returns {Promise<{bitmap: ImageBitmap, jpeg: ArrayBuffer}>}
 */
export async function capture(video, { side, quality }) {
  // The size changes when a phone is rotated while the camera plays.
  const { videoWidth, videoHeight } = video;
  const size = shrunkSize({ width: videoWidth, height: videoHeight }, side, MIN_SIDE);
  const bitmap = await createImageBitmap(video, {
    resizeWidth: size.width,
    resizeHeight: size.height,
  });
  try {
    return { bitmap, jpeg: await encode(bitmap, quality) };
  } catch (reason) {
    bitmap.close();
    throw reason;
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} quality
 * @returns {Promise<ArrayBuffer>} a JPEG file
 */
async function encode(bitmap, quality) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  context2d(canvas).drawImage(bitmap, 0, 0);
  return (await jpegBlob(canvas, quality)).arrayBuffer();
}

/**
 * Resolves when the camera has a new frame.
 * @param {HTMLVideoElement} video
 */
export function nextFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
