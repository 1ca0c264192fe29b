/** Frames of the playing camera: a copy to draw later, and a JPEG file to send. */

/**
 * The size of a frame whose longest side is at most that long; nothing grows.
 * @param {number} width
 * @param {number} height
 * @param {number} side
 * @returns {{width: number, height: number}}
 */
export function frameSize(width, height, side) {
  const factor = Math.min(1, side / Math.max(width, height));
  return {
    width: Math.max(8, Math.round(width * factor)),
    height: Math.max(8, Math.round(height * factor)),
  };
}

/**
 * The frame that plays just now.
 * @param {HTMLVideoElement} video
 * @param {{side: number, quality: number}} options longest side in pixels, quality from 0 to 1
 * @returns {Promise<{bitmap: ImageBitmap, jpeg: ArrayBuffer}>}
 */
export async function capture(video, { side, quality }) {
  // A phone that is turned changes them while the camera plays.
  const size = frameSize(video.videoWidth, video.videoHeight, side);
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
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
  if (!blob) throw new Error("The frame could not be encoded.");
  return blob.arrayBuffer();
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
