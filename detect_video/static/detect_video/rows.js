/** Updates lists in place, so that rows keep the keyboard focus. */

/**
 * Add, update and remove rows so that `list` shows `items`, whose order does not change.
 * @template {{id: string}} T
 * @param {HTMLElement} list
 * @param {T[]} items
 * @param {{create: (item: T) => HTMLElement, update: (row: HTMLElement, item: T) => void}} how
 */
export function showRows(list, items, { create, update }) {
  const ids = items.map(({ id }) => id);
  const rows = /** @type {HTMLElement[]} */ ([...list.children]);
  rows.filter((row) => !ids.includes(row.dataset.id ?? "")).forEach((row) => row.remove());
  items.forEach((item, index) => {
    let row = rows.find(({ dataset }) => dataset.id === item.id);
    if (!row) {
      row = create(item);
      row.dataset.id = item.id;
      list.insertBefore(row, list.children[index] ?? null);
    }
    update(row, item);
  });
}
