/** Canvases: their contexts, their size on the screen, and JPEG files of them. */

/** @param {HTMLCanvasElement} canvas */
export function context2d(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/**
 * Clear a canvas and give it one pixel for each device pixel it covers.
 * @param {HTMLCanvasElement} canvas
 * @returns {{ctx: CanvasRenderingContext2D, width: number, height: number}} the size in CSS pixels,
 *   which the context draws in
 */
export function screenContext(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  const ctx = context2d(canvas);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  return { ctx, width, height };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} quality from 0 to 1
 * @returns {Promise<Blob>}
 */
export function jpegBlob(canvas, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))),
      "image/jpeg",
      quality,
    );
  });
}
