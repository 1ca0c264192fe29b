/** Elements that a page's template and its module agree on. */

/**
 * The element of that id. Throws when the page has none, or one of another type.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new TypeError(`This page needs a ${type.name} with the id ${id}.`);
  }
  return found;
}

/**
 * The first such element within another. Throws when there is none, or one of another type.
 * @template {HTMLElement} T
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function part(within, selector, type) {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) {
    throw new TypeError(`There is no ${type.name} at ${selector}.`);
  }
  return found;
}

/**
 * The texts in an element's `data-*` attributes, where templates can translate them.
 * @param {HTMLElement} holder
 * @returns {Record<string, string>}
 */
export function texts(holder) {
  return /** @type {Record<string, string>} */ (holder.dataset);
}

/**
 * Whether an element does something of its own when the space bar is pressed.
 * @param {EventTarget | null} target the one that has the keyboard's focus
 */
export function usesSpace(target) {
  const users = "button, select, summary, textarea, a, input:not([type=range])";
  return target instanceof Element && target.closest(users) !== null;
}
