import assert from "node:assert/strict";
import { test } from "node:test";

import { fileStamp, remainingText, roughDuration, secondsText } from "../../static/js/times.js";

test("a rough duration has one unit and is rounded up", () => {
  assert.equal(roughDuration(0.2, "en"), "1 sec");
  assert.equal(roughDuration(59, "en"), "59 sec");
  assert.equal(roughDuration(61, "en"), "2 min");
  assert.equal(roughDuration(3601, "en"), "2 hr");
  assert.equal(roughDuration(90, "zh-Hans"), "2分钟");
});

test("passing seconds are counted in full", () => {
  assert.equal(secondsText(0.9, "en"), "0s");
  assert.equal(secondsText(75.2, "en"), "75s");
  assert.equal(secondsText(75, "zh-Hans"), "75秒");
});

test("an unknown duration is not shown", () => {
  assert.equal(remainingText(null, "about {time} left"), "");
  assert.match(remainingText(61, "about {time} left"), /^about 2.+ left$/);
});

test("a file's timestamp is in local time, in sortable digits", () => {
  assert.equal(fileStamp(new Date(2026, 0, 2, 3, 4, 5)), "20260102-030405");
});
