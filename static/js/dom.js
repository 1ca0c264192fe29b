/** Typed access to the elements of a page's template. */

/**
 * The element with an id. Throws if there is none, or if it has another type.
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
 * The first match within another element. Throws if there is none, or if it has another type.
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
 * The strings in an element's `data-*` attributes, which the template translates.
 * @param {HTMLElement | SVGElement} holder
 * @returns {Record<string, string>}
 */
export function texts(holder) {
  return /** @type {Record<string, string>} */ (holder.dataset);
}

/**
 * Whether an element handles the space bar itself.
 * @param {EventTarget | null} target the focused element
 */
export function usesSpace(target) {
  const users = "button, select, summary, textarea, a, input:not([type=range])";
  return target instanceof Element && target.closest(users) !== null;
}
