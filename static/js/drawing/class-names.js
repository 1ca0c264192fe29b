/** Translates class names into the page's language; API responses have them in English. */

const table = globalThis.document?.getElementById("class-names")?.textContent ?? "{}";
/** @type {Map<string, string>} by English name; empty on English pages */
const names = new Map(Object.entries(JSON.parse(table)));

/**
 * @param {string} name in English
 * @returns {string} in the page's language
 */
export function shownName(name) {
  return names.get(name) ?? name;
}
