/**
 * What a page keeps in its tab over a reload or a change of language: files and answers, which are
 * too large for `sessionStorage`. Where the browser keeps nothing, the page works without.
 */

import { remember, remembered } from "./memory.js";

const NAME = "pages";
const DAY_MS = 24 * 3600 * 1000;
const TAB_KEY = "tab";

// Larger than any of an earlier page in this tab, so that the newest come last.
let lastId = Date.now();

/** @returns {number} an id for something new on the page, larger than all before */
export function nextId() {
  lastId += 1;
  return lastId;
}

export class TabStore {
  /** @param {string} page which of the site's pages, and whose */
  constructor(page) {
    // The moment a tab began names it: the ids of tabs differ.
    this.tab = Number(remembered(TAB_KEY, "sessionStorage") ?? Date.now());
    remember(TAB_KEY, String(this.tab), "sessionStorage");
    this.page = page;
    this.database = opened(this.tab);
  }

  /**
   * @param {number} id of a thing on the page
   * @param {string} part of it
   * @param {unknown} value anything that can be cloned; null forgets the part
   */
  async put(id, part, value) {
    const key = [this.tab, this.page, id, part];
    await this.change((store) => {
      noteUse(store, this.tab);
      if (value === null) store.delete(key);
      else store.put(value, key);
    });
  }

  /** @param {number} id */
  async remove(id) {
    const key = [this.tab, this.page, id];
    await this.change((store) => store.delete(IDBKeyRange.bound(key, [...key, []])));
  }

  /** @returns {Promise<Map<number, Record<string, any>>>} the parts by id, the ids in order */
  async entries() {
    const entries = new Map();
    await this.change((store) => {
      const start = [this.tab, this.page];
      store.openCursor(IDBKeyRange.bound(start, [...start, []])).onsuccess = ({ target }) => {
        const { result: cursor } = /** @type {IDBRequest<IDBCursorWithValue | null>} */ (target);
        if (!cursor) return;
        const [, , id, part] = /** @type {any[]} */ (cursor.key);
        entries.set(id, { ...entries.get(id), [part]: cursor.value });
        cursor.continue();
      };
    });
    return entries;
  }

  /**
   * One transaction; what fails, as on a full disk, is not kept.
   * @param {(store: IDBObjectStore) => void} work
   */
  async change(work) {
    const database = await this.database;
    if (!database) return;
    await new Promise((resolve) => {
      try {
        const transaction = database.transaction(NAME, "readwrite");
        for (const event of ["complete", "error", "abort"]) {
          transaction.addEventListener(event, resolve);
        }
        work(transaction.objectStore(NAME));
      } catch {
        resolve(undefined);
      }
    });
  }
}

/**
 * The first entry of a tab says when it was last used, for others to tell what closed tabs left.
 * @param {IDBObjectStore} store
 * @param {number} tab
 */
function noteUse(store, tab) {
  store.put(Date.now(), [tab]);
}

/**
 * Delete what tabs left that were not used for a day.
 * @param {IDBObjectStore} store
 * @param {number} ownTab which is open, however old
 */
function forgetClosedTabs(store, ownTab) {
  store.openCursor().onsuccess = ({ target }) => {
    const { result: cursor } = /** @type {IDBRequest<IDBCursorWithValue | null>} */ (target);
    if (!cursor) return;
    const key = /** @type {any[]} */ (cursor.key);
    const [tab] = key;
    const used = key.length === 1 ? cursor.value : tab;
    const end = [tab, []];
    if (tab !== ownTab && used <= Date.now() - DAY_MS) store.delete(IDBKeyRange.bound([tab], end));
    cursor.continue(end);
  };
}

/**
 * @param {number} tab
 * @returns {Promise<IDBDatabase | null>} null where the browser has none for this page
 */
function opened(tab) {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(NAME);
      request.onerror = () => resolve(null);
      request.onsuccess = () => {
        const store = () => request.result.transaction(NAME, "readwrite").objectStore(NAME);
        forgetClosedTabs(store(), tab);
        // On its own: on a full disk it fails, and the room above is made all the same.
        noteUse(store(), tab);
        resolve(request.result);
      };
    } catch {
      resolve(null);
    }
  });
}
