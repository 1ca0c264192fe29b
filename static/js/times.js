/** Formats times and durations, and shows the page's `<time>` elements in local time. */

const language = globalThis.document?.documentElement.lang;

/**
 * @param {string} moment in ISO 8601
 * @returns {string} in local time, such as `Nov 23, 2026, 10:45 PM`
 */
export function momentText(moment) {
  return new Date(moment).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * @param {number} seconds
 * @param {string} [locale] defaults to the page's language
 * @returns {string} rounded up to one unit, such as `40 sec`, `3 min` or `2 hr`
 */
export function roughDuration(seconds, locale = language) {
  const [unit, length] = seconds < 60 ? ["second", 1] : seconds < 3600 ? ["minute", 60] : ["hour", 3600];
  const format = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" });
  return format.format(Math.ceil(seconds / length));
}

/**
 * @param {number} seconds
 * @param {string} [locale] defaults to the page's language
 * @returns {string} whole seconds, such as `75s`
 */
export function secondsText(seconds, locale = language) {
  const format = new Intl.NumberFormat(locale, { style: "unit", unit: "second", unitDisplay: "narrow" });
  return format.format(Math.floor(seconds));
}

/**
 * @param {number | null} seconds
 * @param {string} text with `{time}` in it
 * @returns {string} empty if the time is unknown
 */
export function remainingText(seconds, text) {
  return seconds === null ? "" : text.replace("{time}", roughDuration(seconds));
}

/**
 * A timestamp for file names, which sort by it.
 * @param {Date} moment
 * @returns {string} in local time, such as `20261123-224501`
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
