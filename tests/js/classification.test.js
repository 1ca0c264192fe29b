import assert from "node:assert/strict";
import { test } from "node:test";

import {
  factsText,
  isUnsure,
  ranked,
  scoreText,
} from "../../classify/static/classify/classification.js";

const cat = { class_id: 3, class_name: "cat", score: 0.25 };
const deer = { class_id: 4, class_name: "deer", score: 0.05 };
const dog = { class_id: 5, class_name: "dog", score: 0.7 };

test("the most probable class comes first, and the answer is unchanged", () => {
  const answer = [cat, deer, dog];
  assert.deepEqual(ranked(answer), [dog, cat, deer]);
  assert.deepEqual(answer, [cat, deer, dog]);
});

test("five of many classes are shown", () => {
  const many = Array.from({ length: 9 }, (_, id) => ({ ...cat, class_id: id, score: id / 9 }));
  assert.deepEqual(ranked(many).map((one) => one.class_id), [8, 7, 6, 5, 4]);
});

test("classes of the same score stay in order", () => {
  const bird = { class_id: 2, class_name: "bird", score: 0.25 };
  assert.deepEqual(ranked([bird, cat]), [bird, cat]);
});

test("a score below one half has low confidence", () => {
  assert.equal(isUnsure({ score: 0.499 }), true);
  assert.equal(isUnsure({ score: 0.5 }), false);
});

test("a score is shown in whole percent, but never as 0% or 100%", () => {
  const texts = { 0: "< 1%", 0.004: "< 1%", 0.006: "1%", 0.926: "93%", 0.994: "99%" };
  for (const [score, text] of Object.entries(texts)) {
    assert.equal(scoreText(Number(score)), text);
  }
  assert.equal(scoreText(0.996), "> 99%");
  assert.equal(scoreText(1), "> 99%");
});

test("the facts are the picture's size, the model and the total time", () => {
  const answer = {
    image: { width: 768, height: 576 },
    model: "resnet",
    timing_ms: { decode: 2.3, inference: 9.4 },
  };
  assert.equal(factsText(answer), "768 × 576 · resnet · 12 ms");
});
