import assert from "node:assert/strict";
import { test } from "node:test";

import { classColour, detectionColour, labelText } from "../../static/js/drawing/boxes.js";
import { drawTails, tailsOf, withTrackIds } from "../../static/js/tracks/tails.js";

const box = (x) => ({ box: [x, 0, x + 20, 40], class_id: 16, class_name: "dog", score: 0.98 });

test("an object is drawn in the colour of its track, with its number", () => {
  const [confirmed, unconfirmed] = withTrackIds([box(0), box(50)], [7, null]);

  assert.deepEqual(detectionColour(confirmed), classColour(7));
  assert.deepEqual(detectionColour(unconfirmed), [128, 128, 128]);
  assert.deepEqual(detectionColour(box(0)), classColour(16));
  const texts = { showNames: true, showScores: true };
  assert.equal(labelText(confirmed, texts), "#7 dog 98%");
  assert.equal(labelText(unconfirmed, texts), "dog 98%");
  assert.equal(labelText(confirmed, { showNames: false, showScores: false }), "#7");
});

test("until the ids of a frame are known, its objects are not confirmed", () => {
  assert.deepEqual(withTrackIds([box(0)], undefined).map(({ track_id }) => track_id), [null]);
});

test("a tail is the way of the middle of the bottom edge, of visible objects only", () => {
  const frames = [
    withTrackIds([box(0), box(100)], [1, 2]),
    withTrackIds([box(10)], [1]),
    withTrackIds([box(20), box(120)], [1, null]),
  ];

  const tails = tailsOf(frames, frames[2]);

  assert.deepEqual([...tails], [[1, [[10, 40], [20, 40], [30, 40]]]]);
});

test("tails are drawn at the scale of the canvas", () => {
  const calls = [];
  const ctx = { save() {}, restore() {}, beginPath() {}, stroke: () => calls.push(ctx.strokeStyle), lineTo: (...to) => calls.push(to) };

  drawTails(ctx, new Map([[1, [[10, 40], [20, 40]]]]), 0.5);

  assert.deepEqual(calls, [[5, 20], [10, 20], `rgb(${classColour(1).join(" ")})`]);
});
