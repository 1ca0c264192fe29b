import assert from "node:assert/strict";
import { test } from "node:test";

import { boxIou, compareDetections } from "../../detect_image/static/detect_image/differences.js";

const dog = { box: [0, 0, 100, 100], class_id: 16, class_name: "dog", score: 0.9 };
const cat = { box: [200, 200, 300, 300], class_id: 15, class_name: "cat", score: 0.6 };

/** The same detection, moved to the right. */
function moved({ box: [xMin, yMin, xMax, yMax], ...rest }, by) {
  return { ...rest, box: [xMin + by, yMin, xMax + by, yMax] };
}

test("two empty results have no differences", () => {
  assert.deepEqual(compareDetections([], []), { agreed: [], differences: [] });
});

test("the same objects with slightly other boxes and scores are no difference", () => {
  const second = [{ ...moved(cat, 20), score: 0.3 }, moved(dog, 20)];

  const { agreed, differences } = compareDetections([dog, cat], second);

  assert.deepEqual(agreed, [
    { first: dog, second: second[1] },
    { first: cat, second: second[0] },
  ]);
  assert.deepEqual(differences, []);
});

test("what only one model found is listed, the highest score first", () => {
  const { agreed, differences } = compareDetections([cat], [dog]);

  assert.deepEqual(agreed, []);
  assert.deepEqual(differences, [
    { first: null, second: dog },
    { first: cat, second: null },
  ]);
});

test("the same box with another class is one difference", () => {
  const wolf = { ...moved(dog, 10), class_id: 16, class_name: "wolf" };

  assert.deepEqual(compareDetections([dog], [wolf]), {
    agreed: [],
    differences: [{ first: dog, second: wolf }],
  });
});

test("classes are compared by name, as their ids differ between models", () => {
  assert.equal(compareDetections([dog], [{ ...dog, class_id: 0 }]).agreed.length, 1);
});

test("boxes belong to the same object from an overlap of one half on", () => {
  // The overlap of boxes of 100 pixels moved by d is (100 - d) / (100 + d).
  assert.equal(compareDetections([dog], [moved(dog, 33)]).agreed.length, 1);
  assert.equal(compareDetections([dog], [moved(dog, 34)]).differences.length, 2);
});

test("each box is matched once, the same class before a larger overlap", () => {
  const wolf = { ...dog, class_name: "wolf", score: 0.8 };
  const second = [moved(dog, 25), moved(dog, 5)];

  const { agreed, differences } = compareDetections([wolf, dog], second);

  assert.equal(agreed.length, 1);
  assert.deepEqual(differences, [{ first: wolf, second: second[0] }]);
});

test("the overlap is that of the areas, and none of boxes that only touch or are empty", () => {
  assert.equal(boxIou([0, 0, 10, 10], [0, 0, 10, 10]), 1);
  assert.equal(boxIou([0, 0, 10, 10], [0, 0, 10, 20]), 0.5);
  assert.equal(boxIou([0, 0, 10, 10], [10, 0, 20, 10]), 0);
  assert.equal(boxIou([5, 5, 5, 5], [5, 5, 5, 5]), 0);
});
