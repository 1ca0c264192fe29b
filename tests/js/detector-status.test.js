import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

test("the state waits for the model, also while the server is unreachable", async (t) => {
  const answers = ["loading", null, "ready"];
  const fetched = [];
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = fakePage(t, {
    globals: {
      fetch: async (url) => {
        fetched.push(url);
        const state = answers.shift();
        if (!state) throw new TypeError("no connection");
        return Response.json([
          { name: "other", state: "not_loaded" },
          { name: "tiny", state },
        ]);
      },
    },
  });
  const line = page.element("detector-status");
  Object.assign(line.dataset, { state: "loading", name: "tiny", modelsUrl: "/api/models/" });
  const states = [];

  await load("static/js/requests/detector-status.js");
  for (let poll = 0; poll < 6; poll += 1) {
    t.mock.timers.tick(2000);
    for (let step = 0; step < 5; step += 1) await settled();
    states.push(line.dataset.state);
  }

  assert.deepEqual(states.slice(0, 3), ["loading", "loading", "ready"]);
  assert.equal(states.at(-1), "ready");
  assert.deepEqual(fetched, Array(3).fill("/api/models/"));
});
