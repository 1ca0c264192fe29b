import assert from "node:assert/strict";
import { test } from "node:test";

import { RateMeter } from "../../static/js/rate-meter.js";

test("the rate is the number of events in the window per second", () => {
  const meter = new RateMeter(2000);
  assert.equal(meter.perSecond(0), 0);
  for (let nowMs = 0; nowMs < 3000; nowMs += 100) meter.count(nowMs);

  assert.equal(meter.perSecond(3000), 9.5);
  assert.equal(meter.perSecond(6000), 0);
});
