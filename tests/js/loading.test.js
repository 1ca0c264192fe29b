import assert from "node:assert/strict";
import { test } from "node:test";

import { showLoading } from "../../static/js/requests/loading.js";
import { FakeElement, fakePage } from "./fake-page.js";

/** An element that shows the loading of a model since the moment 0. */
function loadingElement(t) {
  fakePage(t);
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  t.mock.timers.enable({ apis: ["setInterval"] });
  const holder = new FakeElement();
  holder.dataset.loading = "Loading…";
  const [, timer] = show(holder, 0);
  const pass = (ms) => {
    nowMs += ms;
    t.mock.timers.tick(ms);
  };
  return { holder, timer, pass };
}

function show(holder, sinceMs) {
  showLoading(holder, sinceMs);
  return holder.children;
}

test("the seconds are counted behind the text", (t) => {
  const { holder, timer, pass } = loadingElement(t);
  assert.equal(holder.children[0], "Loading… ");
  assert.equal(timer.textContent, "0s");

  pass(61_000);

  assert.equal(timer.textContent, "61s");
});

test("showing it again leaves the text as it is, so that it is announced once", (t) => {
  const { holder, timer } = loadingElement(t);

  assert.equal(show(holder, 0)[1], timer);
  assert.notEqual(show(holder, 5)[1], timer);
});

test("another text ends the counting", (t) => {
  const { holder, timer, pass } = loadingElement(t);
  pass(2000);

  holder.replaceChildren("Done");
  pass(2000);

  assert.equal(timer.textContent, "2s");
});
