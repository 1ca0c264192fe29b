/**
 * What the browser keeps from one visit to the next, or in this tab until it is closed; without
 * leave to, it keeps nothing.
 *
 * @typedef {"localStorage" | "sessionStorage"} Storage
 */

/**
 * @param {string} key
 * @param {string} value
 * @param {Storage} [storage] `sessionStorage` for this tab only
 */
export function remember(key, value, storage = "localStorage") {
  try {
    globalThis[storage].setItem(key, value);
  } catch {
    // Blocked or full: the setting holds until the page is left.
  }
}

/**
 * @param {string} key
 * @param {Storage} [storage]
 * @returns {string | null} null for what was never remembered
 */
export function remembered(key, storage = "localStorage") {
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
}

/**
 * Give controls the values they had at the last visit, and remember what they are changed to.
 * A value that a control cannot have any more is passed over.
 * @param {string} page
 * @param {(HTMLInputElement | HTMLSelectElement)[]} controls told apart by their ids, radio buttons
 *   by their names and values
 * @param {Storage} [storage]
 */
export function rememberControls(page, controls, storage) {
  for (const control of controls) {
    const isRadio = "checked" in control && control.type === "radio";
    const key = `${page}.${isRadio ? control.name : control.id}`;
    const value = remembered(key, storage);
    if (isRadio) {
      if (value === control.value) control.checked = true;
      control.addEventListener("change", () => remember(key, control.value, storage));
      continue;
    }
    if ("checked" in control && control.type === "checkbox") {
      if (value !== null) control.checked = value === "true";
      control.addEventListener("change", () => remember(key, String(control.checked), storage));
      continue;
    }
    const initial = control.value;
    if (value !== null) control.value = value;
    if (control.value !== value) control.value = initial;
    control.addEventListener("change", () => remember(key, control.value, storage));
  }
}
