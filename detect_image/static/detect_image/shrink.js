/** Pictures made smaller before they travel. */

/** @typedef {{width: number, height: number}} Size */

/**
 * The size whose longest side is at most that long, with the aspect kept; nothing grows.
 * @param {Size} size in pixels
 * @param {number} longestSide
 * @returns {Size}
 */
export function shrunkSize({ width, height }, longestSide) {
  const factor = Math.min(1, longestSide / Math.max(width, height));
  return {
    width: Math.max(1, Math.round(width * factor)),
    height: Math.max(1, Math.round(height * factor)),
  };
}

/**
 * The upright picture as a JPEG file, or the file itself where that would not be smaller.
 * @param {File} file
 * @param {HTMLImageElement} image the same, decoded
 * @param {{longestSide: number, quality: number}} options `Infinity` sends the file as it is;
 *   the quality is from 0 to 1
 * @returns {Promise<{blob: Blob} & Size>}
 */
export async function shrink(file, image, { longestSide, quality }) {
  const full = { width: image.naturalWidth, height: image.naturalHeight };
  // Some systems give files no type, which data URLs need; the server looks at the bytes.
  const whole = { blob: file.slice(0, file.size, file.type || "image/jpeg"), ...full };
  if (longestSide === Infinity) return whole;

  const size = shrunkSize(full, longestSide);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, size);
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  // JPEG knows no transparency; the server lays such pictures on white as well.
  ctx.fillStyle = "white";
  ctx.fillRect(0, 0, size.width, size.height);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(image, 0, 0, size.width, size.height);
  const blob = await toBlob(canvas, quality);
  const isShrunk = size.width < full.width || size.height < full.height;
  return isShrunk || blob.size < file.size ? { blob, ...size } : whole;
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

/**
 * @param {number} bytes
 * @returns {string} such as `1.4 MB`
 */
export function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} quality
 * @returns {Promise<Blob>}
 */
export function toBlob(canvas, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))),
      "image/jpeg",
      quality,
    );
  });
}
