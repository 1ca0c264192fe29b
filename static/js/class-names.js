/** Class names in the page's language; results hold them in English. */

const table = globalThis.document?.getElementById("class-names")?.textContent ?? "{}";
/** @type {Map<string, string>} by their English names; empty in English */
const names = new Map(Object.entries(JSON.parse(table)));

/**
 * @param {string} name as the server gives it
 * @returns {string} as the page shows it
 */
export function shownName(name) {
  return names.get(name) ?? name;
}
