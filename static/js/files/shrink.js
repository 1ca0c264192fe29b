/** Prepares pictures for upload: smaller, and in a format that the server reads. */

import { context2d, jpegBlob } from "../drawing/canvas.js";

/** @typedef {{width: number, height: number}} Size */

/**
 * Limit the longest side and keep the aspect ratio. Smaller sizes are not enlarged.
 * @param {Size} size in pixels
 * @param {number} longestSide
 * @param {number} [minSide] the least width and height
 * @returns {Size}
 */
export function shrunkSize({ width, height }, longestSide, minSide = 1) {
  const factor = Math.min(1, longestSide / Math.max(width, height));
  return {
    width: Math.max(minSide, Math.round(width * factor)),
    height: Math.max(minSide, Math.round(height * factor)),
  };
}

/**
 * Decode a picture file. Throws if the browser cannot show it.
 * @param {Blob} file
 * @returns {Promise<HTMLImageElement>} its `src` is an object URL that the caller revokes
 */
export async function openPicture(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
    // SVG files without a size have none in some browsers.
    if (!image.naturalWidth || !image.naturalHeight) throw new Error("The picture has no size.");
  } catch (reason) {
    URL.revokeObjectURL(image.src);
    throw reason;
  }
  return image;
}

/**
 * Whether the server reads this file format. Like the server, this checks the first bytes, because
 * the file's name and type may be wrong.
 * @param {Blob} file
 */
export async function isReadByServer(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return /^(\xff\xd8\xff|\x89PNG|RIFF.{4}WEBP|BM)/s.test(start);
}

/**
 * Encode the upright picture as a JPEG file. Returns the file itself if it has the same size in
 * pixels and fewer bytes, and the server reads its format.
 * @param {File} file
 * @param {HTMLImageElement} image the decoded file
 * @param {{longestSide: number, quality: number}} options with an `Infinity` side, files that the
 *   server reads are returned unchanged; the quality is from 0 to 1
 * @returns {Promise<{blob: Blob} & Size>}
 */
export async function shrink(file, image, { longestSide, quality }) {
  const full = { width: image.naturalWidth, height: image.naturalHeight };
  // Data URLs need a type, which some systems do not set. The server ignores it.
  const whole = { blob: file.slice(0, file.size, file.type || "image/jpeg"), ...full };
  const isReadable = await isReadByServer(file);
  if (longestSide === Infinity && isReadable) return whole;

  const size = shrunkSize(full, longestSide);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, size);
  const ctx = context2d(canvas);
  // JPEG has no transparency; the server uses a white background, too.
  ctx.fillStyle = "white";
  ctx.fillRect(0, 0, size.width, size.height);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(image, 0, 0, size.width, size.height);
  const blob = await jpegBlob(canvas, quality);
  const isShrunk = size.width < full.width || size.height < full.height;
  return isShrunk || !isReadable || blob.size < file.size ? { blob, ...size } : whole;
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {string} */ (reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
