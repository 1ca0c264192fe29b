/** Pictures made smaller, and readable for the server, before they travel. */

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
 * The picture of a file, decoded. Throws when the browser cannot show it.
 * @param {Blob} file
 * @returns {Promise<HTMLImageElement>} its `src` lasts until it is revoked
 */
export async function openPicture(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
    // Some browsers give drawings (SVG) that name no size none.
    if (!image.naturalWidth || !image.naturalHeight) throw new Error("The picture has no size.");
  } catch (reason) {
    URL.revokeObjectURL(image.src);
    throw reason;
  }
  return image;
}

/**
 * Whether the server reads files of this kind. Like the server, it looks at the bytes: names and
 * types of files are anybody's choice.
 * @param {Blob} file
 */
export async function isReadByServer(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return /^(\xff\xd8\xff|\x89PNG|RIFF.{4}WEBP|BM)/s.test(start);
}

/**
 * The upright picture as a JPEG file, or the file itself where that would not be smaller and the
 * server reads it.
 * @param {File} file
 * @param {HTMLImageElement} image the same, decoded
 * @param {{longestSide: number, quality: number}} options `Infinity` sends the file as it is, if
 *   the server reads it; the quality is from 0 to 1
 * @returns {Promise<{blob: Blob} & Size>}
 */
export async function shrink(file, image, { longestSide, quality }) {
  const full = { width: image.naturalWidth, height: image.naturalHeight };
  // Some systems give files no type, which data URLs need; the server looks at the bytes.
  const whole = { blob: file.slice(0, file.size, file.type || "image/jpeg"), ...full };
  const isReadable = await isReadByServer(file);
  if (longestSide === Infinity && isReadable) return whole;

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
