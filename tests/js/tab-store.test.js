import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage } from "./fake-page.js";
import { TabStore, nextId } from "../../static/js/tab-store.js";

test("ids increase, also from one page of a tab to the next", async (t) => {
  const first = nextId();
  const second = nextId();
  assert.ok(second > first);

  t.mock.timers.enable({ apis: ["Date"], now: second + 1000 });
  const later = await import("../../static/js/tab-store.js?later");

  assert.ok(later.nextId() > second);
});

test("all pages of a tab use the same id of the tab", (t) => {
  fakePage(t);
  t.mock.timers.enable({ apis: ["Date"], now: 1000 });
  const before = new TabStore("/classify/");
  t.mock.timers.tick(5000);

  assert.equal(new TabStore("/detect-image/").tab, before.tab);
});

for (const [problem, indexedDB] of [
  ["has no database", undefined],
  ["forbids it", { open: () => { throw new DOMException("denied", "SecurityError"); } }],
  ["cannot open it", { open: failingRequest }],
]) {
  test(`a page works where the browser ${problem}, and keeps nothing`, async (t) => {
    fakePage(t, { globals: { indexedDB } });
    const store = new TabStore("/classify/");

    await store.put(1, "file", "a");
    await store.remove(1);

    assert.deepEqual(await store.entries(), new Map());
  });
}

function failingRequest() {
  const request = {};
  queueMicrotask(() => request.onerror());
  return request;
}

test("what does not fit on the disk is not stored and causes no error", async (t) => {
  const transaction = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  fakePage(t);
  const store = new TabStore("/classify/");
  store.database = Promise.resolve({ transaction });

  await store.put(1, "file", "a");

  assert.deepEqual(await store.entries(), new Map());
});
