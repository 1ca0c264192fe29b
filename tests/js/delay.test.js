import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { delay } from "../../static/js/requests/delay.js";

beforeEach((t) => t.mock.timers.enable({ apis: ["setTimeout"] }));

test("a delay resolves after its time", async (t) => {
  const waiting = delay(500, new AbortController().signal);

  t.mock.timers.tick(500);

  await waiting;
});

test("an abort rejects a delay at once with its reason", async () => {
  const leaving = new AbortController();
  const waiting = delay(500, leaving.signal);

  leaving.abort(new Error("cancelled"));

  await assert.rejects(waiting, /cancelled/);
});

test("a delay with an aborted signal is rejected", async () => {
  await assert.rejects(delay(500, AbortSignal.abort()), { name: "AbortError" });
});
