/**
 * Keeps a page's files and results over a reload or a change of language, in IndexedDB, as they are
 * too large for `sessionStorage`. If IndexedDB is not available, nothing is kept.
 */

import { remember, remembered } from "./memory.js";

const NAME = "pages";
const DAY_MS = 24 * 3600 * 1000;
const TAB_KEY = "tab";

// Larger than the ids of earlier pages in this tab, so that ids sort by age.
let lastId = Date.now();

/** @returns {number} a new id, larger than all before */
export function nextId() {
  lastId += 1;
  return lastId;
}

export class TabStore {
  /** @param {string} page identifies the page and its owner */
  constructor(page) {
    // The time a tab was opened is its id.
    this.tab = Number(remembered(TAB_KEY, "sessionStorage") ?? Date.now());
    remember(TAB_KEY, String(this.tab), "sessionStorage");
    this.page = page;
    this.database = opened(this.tab);
  }

  /**
   * @param {number} id of an entry
   * @param {string} part of the entry
   * @param {unknown} value anything that can be cloned; null deletes the part
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

  /** @returns {Promise<Map<number, Record<string, any>>>} the parts of each entry, sorted by id */
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
   * Run a transaction. If it fails, for example on a full disk, nothing is kept.
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
 * Record when a tab was last used, which tells other tabs whether it may be deleted.
 * @param {IDBObjectStore} store
 * @param {number} tab
 */
function noteUse(store, tab) {
  store.put(Date.now(), [tab]);
}

/**
 * Delete the entries of tabs that have not been used for a day.
 * @param {IDBObjectStore} store
 * @param {number} ownTab is kept regardless of its age
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
 * @returns {Promise<IDBDatabase | null>} null if IndexedDB is not available
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
        // A transaction of its own: on a full disk it fails, but the deletion does not.
        noteUse(store(), tab);
        resolve(request.result);
      };
    } catch {
      resolve(null);
    }
  });
}
