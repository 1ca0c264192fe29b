import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../../detect_video/static/detect_video/player/clock.js";

test("the first frame is due at once, whatever its timestamp, and the others follow it", () => {
  const clock = new Clock();
  assert.equal(clock.isDue(5_000_000, 1000), true);
  assert.equal(clock.isDue(5_040_000, 1039), false);
  assert.equal(clock.isDue(5_040_000, 1040), true);
});

test("speed changes the distance between frames", () => {
  const clock = new Clock();
  clock.setSpeed(4);
  clock.isDue(0, 1000);
  assert.equal(clock.isDue(400_000, 1099), false);
  assert.equal(clock.isDue(400_000, 1100), true);
});

test("a frame that is one screen refresh late does not slow the video down", () => {
  const clock = new Clock();
  clock.isDue(0, 1000);
  assert.equal(clock.isDue(40_000, 1055), true);
  assert.equal(clock.isDue(80_000, 1079), false);
  assert.equal(clock.isDue(80_000, 1080), true);
});

test("a frame that is very late delays all that follow", () => {
  const clock = new Clock();
  clock.isDue(0, 1000);
  assert.equal(clock.isDue(40_000, 3000), true);
  assert.equal(clock.isDue(80_000, 3039), false);
  assert.equal(clock.isDue(80_000, 3040), true);
});
