/**
 * Settings in the browser's storage: `localStorage` lasts, `sessionStorage` belongs to a tab. If
 * storage is blocked, nothing is remembered.
 *
 * @typedef {"localStorage" | "sessionStorage"} Storage
 */

/**
 * @param {string} key
 * @param {string} value
 * @param {Storage} [storage]
 */
export function remember(key, value, storage = "localStorage") {
  try {
    globalThis[storage].setItem(key, value);
  } catch {
    // Storage is blocked or full.
  }
}

/**
 * @param {string} key
 * @param {Storage} [storage]
 * @returns {string | null} null if there is none
 */
export function remembered(key, storage = "localStorage") {
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
}

/**
 * Restore the values that controls had at the last visit, and remember their changes. Values that
 * a control no longer offers are ignored.
 * @param {string} page the prefix of the keys
 * @param {(HTMLInputElement | HTMLSelectElement)[]} controls identified by their ids, radio buttons
 *   by name and value
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
