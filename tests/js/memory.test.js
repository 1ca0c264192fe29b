import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { remember, remembered } from "../../static/js/memory.js";

/** @param {() => unknown} get */
const replaceStorage = (get) =>
  Object.defineProperty(globalThis, "localStorage", { get, configurable: true });

afterEach(() => {
  delete globalThis.localStorage;
});

test("what was remembered comes back, what was not is null", () => {
  const items = new Map();
  replaceStorage(() => ({
    setItem: (key, value) => items.set(key, value),
    getItem: (key) => items.get(key) ?? null,
  }));
  remember("size", "300");
  assert.equal(remembered("size"), "300");
  assert.equal(remembered("other"), null);
});

test("blocked storage remembers nothing and breaks nothing", () => {
  replaceStorage(() => {
    throw new DOMException("blocked", "SecurityError");
  });
  remember("size", "300");
  assert.equal(remembered("size"), null);
});
