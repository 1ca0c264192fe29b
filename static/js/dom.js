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
 * The texts in an element's `data-*` attributes, where templates can translate them.
 * @param {HTMLElement} holder
 * @returns {Record<string, string>}
 */
export function texts(holder) {
  return /** @type {Record<string, string>} */ (holder.dataset);
}
