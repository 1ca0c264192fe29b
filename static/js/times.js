/** Moments and durations as people read them; those of a page, which come in UTC, are replaced. */

const language = globalThis.document?.documentElement.lang;

/**
 * @param {string} moment in ISO 8601
 * @returns {string} on the visitor's own clock, such as `Nov 23, 2026, 10:45 PM`
 */
export function momentText(moment) {
  return new Date(moment).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * @param {number} seconds
 * @param {string} [locale] that of the page without one
 * @returns {string} rounded up to one unit, such as `40 sec`, `3 min` or `2 hr`
 */
export function roughDuration(seconds, locale = language) {
  const [unit, length] = seconds < 60 ? ["second", 1] : seconds < 3600 ? ["minute", 60] : ["hour", 3600];
  const format = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" });
  return format.format(Math.ceil(seconds / length));
}

/**
 * @param {number | null} seconds
 * @param {string} text with `{time}` in it
 * @returns {string} empty while the time cannot be known
 */
export function remainingText(seconds, text) {
  return seconds === null ? "" : text.replace("{time}", roughDuration(seconds));
}

/**
 * What tells files apart that were made one after the other, and sorts them.
 * @param {Date} moment
 * @returns {string} on the visitor's own clock, such as `20261123-224501`
 */
export function fileStamp(moment) {
  /** @param {number} number */
  const two = (number) => String(number).padStart(2, "0");
  const day = [moment.getFullYear(), two(moment.getMonth() + 1), two(moment.getDate())];
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two);
  return `${day.join("")}-${time.join("")}`;
}

for (const time of globalThis.document?.querySelectorAll?.("time") ?? []) {
  time.textContent = momentText(time.dateTime);
}
