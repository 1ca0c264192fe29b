import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load } from "./fake-page.js";

const DOG = { box: [10, 5, 30, 25], class_id: 16, class_name: "dog", score: 0.9 };
const CAT = { box: [40, 5, 60, 25], class_id: 15, class_name: "cat", score: 0.5 };

/** The view of the camera page, with a clock that the test sets. */
async function openView(t) {
  const clock = { nowMs: 10_000 };
  t.mock.method(performance, "now", () => clock.nowMs);
  const page = fakePage(t, { texts: { "in-sight": "nothing", chart: "past now" } });
  page.element("in-sight").dataset.comma = ", ";
  page.element("threshold").value = "0.35";
  const view = await load("detect_camera/static/detect_camera/frame-view.js");
  const bitmaps = [];
  const showFrame = (...detections) => {
    const bitmap = { width: 64, height: 48, isOpen: true, close: () => (bitmap.isOpen = false) };
    bitmaps.push(bitmap);
    view.show(bitmap, { image: { width: 64, height: 48 }, detections });
  };
  return { ...page, ...view, clock, bitmaps, showFrame };
}

test("before the first frame there is no snapshot", async (t) => {
  const view = await openView(t);

  assert.equal(view.snapshot(), null);
  assert.equal(view.element("frame").drawn.length, 0);
});

test("a snapshot has the size of the frame", async (t) => {
  const view = await openView(t);
  view.showFrame(DOG);

  const { width, height, drawn } = view.snapshot();

  assert.deepEqual([width, height], [64, 48]);
  assert.ok(drawn.includes("drawImage"));
});

test("the memory of a frame is freed when the next one is shown", async (t) => {
  const view = await openView(t);
  view.showFrame();
  view.showFrame();

  assert.deepEqual(view.bitmaps.map(({ isOpen }) => isOpen), [false, true]);
});

test("the visible objects are counted by class", async (t) => {
  const view = await openView(t);

  view.showFrame(DOG, DOG, CAT, { ...CAT, score: 0.1 });

  assert.equal(view.text("in-sight"), "2 × dog, 1 × cat");
});

test("counts as text change once a second, the picture with every frame", async (t) => {
  const view = await openView(t);
  view.showFrame(DOG);
  view.clock.nowMs += 900;
  view.showFrame();
  assert.equal(view.text("in-sight"), "1 × dog");

  view.clock.nowMs += 200;
  view.showFrame();

  assert.equal(view.text("in-sight"), "nothing");
});

test("another threshold updates the counts and redraws the current frame", async (t) => {
  const view = await openView(t);
  view.showFrame(DOG, CAT);
  const draws = view.element("frame").drawn.length;

  view.element("threshold").change({ value: "0.6" });

  assert.equal(view.text("in-sight"), "1 × dog");
  assert.ok(view.element("frame").drawn.length > draws);
});

test("a hidden class is neither drawn nor counted", async (t) => {
  const view = await openView(t);
  view.showFrame(DOG, CAT);
  const [dog] = view.element("classes").children.map(({ children }) => children[0]);

  dog.change({ checked: false });
  view.element("classes").change();

  assert.equal(view.text("in-sight"), "1 × cat");
});

test("the legend names the classes of the chart", async (t) => {
  const view = await openView(t);

  view.showFrame(DOG, CAT);

  const names = view.element("chart-legend").children.map(({ children }) => children.at(-1));
  assert.deepEqual(names, ["dog", "cat"]);
});

test("mirrored boxes change sides and keep their size", async (t) => {
  const { mirrored } = await openView(t);

  assert.deepEqual(mirrored([DOG], 64), [{ ...DOG, box: [34, 5, 54, 25] }]);
  assert.deepEqual(mirrored([], 64), []);
});
