const UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * A size in decimal units (1 MB is 10^6 bytes), as `web/templatetags/sizes.py` writes it.
 * @param {number} bytes
 * @returns {string} such as `999 kB`, `1.4 MB` or `2 GB`
 */
export function sizeText(bytes) {
  let unit = 0;
  let value = bytes;
  while (rounded(value, unit) >= 1000 && unit < UNITS.length - 1) {
    unit += 1;
    value = bytes / 1000 ** unit;
  }
  return `${rounded(value, unit)} ${UNITS[unit]}`;
}

/** @param {number} unit an index of `UNITS` */
function decimals(unit) {
  return unit < 2 ? 0 : 1;
}

/**
 * @param {number} value
 * @param {number} unit
 */
function rounded(value, unit) {
  const factor = 10 ** decimals(unit);
  return Math.round(value * factor) / factor;
}
