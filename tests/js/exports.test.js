import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  cocoText,
  csvText,
  EXPORTS,
  uniqueStems,
  vocText,
  yoloText,
} from "../../detect_image/static/detect_image/exports.js";

const contract = JSON.parse(
  readFileSync(new URL("../contract/exports.json", import.meta.url), "utf8"),
);
const { results } = contract;

test("browser and server write the same files", () => {
  assert.deepEqual(JSON.parse(cocoText(results, contract.coco_categories)), contract.coco);
  assert.equal(csvText(results), contract.csv);
  assert.deepEqual(results.map(yoloText), contract.yolo);
  assert.deepEqual(results.map(vocText), contract.voc);
  assert.deepEqual(results.map(EXPORTS.json.text).map((text) => JSON.parse(text)), contract.json);
});

test("files of an archive have unique names", () => {
  assert.deepEqual(uniqueStems(["a.jpg", "b.png", "a.png", "A.jpg", ".hidden", "../up.jpg"]), [
    "a",
    "b",
    "a-2",
    "A-3",
    ".hidden",
    ".._up",
  ]);
});

test("a numbered name that exists already is not used again", () => {
  assert.deepEqual(uniqueStems(["a.jpg", "a.png", "a-2.png"]), ["a", "a-2", "a-2-2"]);
});
