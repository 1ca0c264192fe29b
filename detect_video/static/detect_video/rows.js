/** Lists that change while they are used: what is still there stays, with the keyboard's focus. */

/**
 * Make the rows of `list` those of `items`, whose order does not change.
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
