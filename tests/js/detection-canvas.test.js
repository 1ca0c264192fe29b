import assert from "node:assert/strict";
import { test } from "node:test";

import { drawDetections } from "../../static/js/drawing/detection-canvas.js";

const dog = { box: [100, 200, 300, 400], class_id: 16, class_name: "dog", score: 0.98 };
const cat = { box: [0, 0, 50, 50], class_id: 15, class_name: "cat", score: 0.5 };
const OPTIONS = {
  width: 500,
  height: 500,
  scale: 1,
  showNames: true,
  showScores: true,
  highlighted: null,
};

/** A canvas context that records its calls. */
function recorder() {
  const calls = [];
  const record = (name) => (...values) => {
    calls.push({ name, values, alpha: ctx.globalAlpha });
  };
  const ctx = {
    calls,
    globalAlpha: 1,
    clearRect: record("clearRect"),
    strokeRect: record("strokeRect"),
    fillRect: record("fillRect"),
    fillText: record("fillText"),
    measureText: (text) => ({ width: 10 * text.length }),
    named: (name) => calls.filter((call) => call.name === name),
  };
  return ctx;
}

test("without detections the canvas is only cleared", () => {
  const ctx = recorder();
  drawDetections(ctx, [], OPTIONS);
  assert.deepEqual(ctx.calls.map(({ name }) => name), ["clearRect"]);
});

test("the outer edge of a line is the box, at any scale", () => {
  for (const scale of [0.5, 1, 2]) {
    const ctx = recorder();
    drawDetections(ctx, [dog], { ...OPTIONS, scale });
    const [x, y, width, height] = ctx.named("strokeRect")[0].values;
    const half = ctx.lineWidth / 2;
    assert.deepEqual(
      [x - half, y - half, x + width + half, y + height + half],
      dog.box.map((value) => value * scale),
    );
  }
});

test("labels appear only with names or scores", () => {
  const ctx = recorder();
  drawDetections(ctx, [dog], { ...OPTIONS, showNames: false, showScores: false });
  assert.equal(ctx.named("fillText").length, 0);

  drawDetections(ctx, [dog], OPTIONS);
  assert.equal(ctx.named("fillText")[0].values[0], "dog 98%");
});

test("the box with the highest score is drawn last, on top", () => {
  const ctx = recorder();
  drawDetections(ctx, [dog, cat], OPTIONS);
  assert.deepEqual(ctx.named("fillText").map(({ values }) => values[0]), ["cat 50%", "dog 98%"]);
});

test("a highlighted box is on top and the others are faded", () => {
  const ctx = recorder();
  drawDetections(ctx, [dog, cat], { ...OPTIONS, highlighted: cat });
  const drawn = ctx.named("fillText").map(({ values, alpha }) => [values[0], alpha]);
  assert.deepEqual(drawn, [["dog 98%", 0.3], ["cat 50%", 1]]);
});

test("labels do not overlap and are above all boxes", () => {
  const ctx = recorder();
  const twin = { ...dog, score: 0.6, class_name: "wolf" };
  drawDetections(ctx, [dog, twin], OPTIONS);
  const [below, above] = ctx.named("fillRect").map(({ values: [x, y, width, height] }) => ({ x, y, width, height }));
  assert.equal(above.y + above.height, 200);
  assert.equal(below.y, 200);
  assert.deepEqual(
    ctx.calls.map(({ name }) => name).filter((name) => name !== "clearRect"),
    ["strokeRect", "strokeRect", "fillRect", "fillText", "fillRect", "fillText"],
  );
});
