import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  classColour,
  classCounts,
  detectionAt,
  labelText,
  percent,
  scaleBox,
  textColour,
  visibleDetections,
} from "../../static/js/drawing/boxes.js";

const dog = { box: [10, 20, 30, 40], class_id: 16, class_name: "dog", score: 0.9849 };
const cat = { box: [0, 0, 5, 5], class_id: 15, class_name: "cat", score: 0.3 };
const pale = { ...dog, score: 0.1 };

test("browser and server use the same colours for classes", () => {
  const contract = new URL("../contract/class_colours.json", import.meta.url);
  for (const { class_id, colour, text_colour } of JSON.parse(readFileSync(contract, "utf8"))) {
    assert.deepEqual(classColour(class_id), colour);
    assert.deepEqual(textColour(classColour(class_id)), text_colour);
  }
});

test("a label has the requested parts", () => {
  assert.equal(labelText(dog, { showNames: true, showScores: true }), "dog 98%");
  assert.equal(labelText(dog, { showNames: true, showScores: false }), "dog");
  assert.equal(labelText(dog, { showNames: false, showScores: true }), "98%");
  assert.equal(labelText(dog, { showNames: false, showScores: false }), "");
});

test("a share is shown in whole percent", () => {
  assert.equal(percent(0.256), "26%");
});

test("a box is scaled in both directions", () => {
  assert.deepEqual(scaleBox(dog.box, 0.5), [5, 10, 15, 20]);
});

test("no detections stay no detections", () => {
  assert.deepEqual(visibleDetections([], { threshold: 0, hiddenNames: new Set() }), []);
  assert.equal(classCounts([], 0).size, 0);
});

test("detections below the threshold and of hidden classes are not visible", () => {
  const all = [dog, cat, pale];
  const shown = (threshold, ...hidden) =>
    visibleDetections(all, { threshold, hiddenNames: new Set(hidden) });
  assert.deepEqual(shown(0.3), [dog, cat]);
  assert.deepEqual(shown(0.31), [dog]);
  assert.deepEqual(shown(0, "dog"), [cat]);
});

test("classes are counted above the threshold, in the order of their highest scores", () => {
  assert.deepEqual([...classCounts([dog, cat, pale], 0.3)], [[16, 1], [15, 1]]);
  assert.deepEqual([...classCounts([dog, cat, pale], 0.05)], [[16, 2], [15, 1]]);
  assert.deepEqual([...classCounts([dog, cat, pale], 0.5)], [[16, 1], [15, 0]]);
});

test("the smallest box around a point is selected", () => {
  const room = { box: /** @type {Box} */ ([0, 0, 100, 100]), class_id: 0, class_name: "room", score: 1 };
  const cup = { box: /** @type {Box} */ ([10, 10, 20, 20]), class_id: 1, class_name: "cup", score: 0.5 };

  assert.equal(detectionAt([room, cup], 15, 20), cup);
  assert.equal(detectionAt([room, cup], 21, 15), room);
  assert.equal(detectionAt([room, cup], 101, 15), null);
  assert.equal(detectionAt([], 0, 0), null);
});
