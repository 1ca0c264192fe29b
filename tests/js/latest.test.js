import assert from "node:assert/strict";
import { test } from "node:test";

import { Latest } from "../../static/js/requests/latest.js";

test("only the newest of many tasks is started", async () => {
  const latest = new Latest();
  const started = [];
  const run = (name) => latest.run(1, async () => started.push(name) && name);

  assert.deepEqual(await Promise.all([run("first"), run("second"), run("third")]), [null, null, "third"]);
  assert.deepEqual(started, ["third"]);
});

test("a task that is running is aborted by the next, and its result is dropped", async () => {
  const latest = new Latest();
  let finish;
  let aborted;
  const first = latest.run(0, (signal) => {
    aborted = () => signal.aborted;
    return new Promise((resolve) => (finish = resolve));
  });
  while (!finish) await new Promise(setImmediate);

  const second = latest.run(0, async () => "second");
  finish("first");

  assert.equal(aborted(), true);
  assert.deepEqual(await Promise.all([first, second]), [null, "second"]);
});

test("the failure of the newest task is thrown, that of an older one is not", async () => {
  const latest = new Latest();
  const fail = () => latest.run(0, () => Promise.reject(new TypeError("no answer")));

  const [first, second] = await Promise.allSettled([fail(), fail()]);

  assert.deepEqual(first, { status: "fulfilled", value: null });
  assert.equal(second.reason.message, "no answer");
});
