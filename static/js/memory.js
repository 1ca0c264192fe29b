/** What the browser keeps from one visit to the next; without leave to, it keeps nothing. */

/**
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Blocked or full: the setting holds for this visit.
  }
}

/**
 * @param {string} key
 * @returns {string | null} null for what was never remembered
 */
export function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
