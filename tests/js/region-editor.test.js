import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeElement, fakePage, load } from "./fake-page.js";

const TEXTS = {
  line: "Line {number}",
  zone: "Zone {number}",
  point: "{name}, {point} of {count}: {x} {y}",
  added: "{name} added",
  moved: "{name} changed",
  removed: "{name} removed",
};
const SIZE = { width: 1000, height: 500 };

/** An editor over a picture of 1000 x 500 pixels that is 100 x 50 pixels large on the screen. */
async function openEditor(t, regions = []) {
  const { element } = fakePage(t);
  const svg = element("regions");
  Object.assign(svg.dataset, TEXTS);
  const said = [];
  const changes = [];
  const { RegionEditor } = await load("static/js/tracks/region-editor.js");
  const editor = new RegionEditor(svg, {
    announce: (text) => said.push(text),
    changed: (isFinal) => changes.push(isFinal),
  });
  editor.size = SIZE;
  editor.show(regions);
  const fire = (type, target, values) => {
    const event = Object.assign(new Event(type, { cancelable: true }), { button: 0, pointerId: 1, ...values });
    Object.defineProperty(event, "target", { value: target });
    svg.dispatchEvent(event);
    return event;
  };
  const parts = () => svg.children.flatMap(({ children }) => children);
  const point = (at) => parts().find(({ dataset }) => dataset["attribute-class"] === "point" && dataset.point === String(at));
  const edge = (region) => parts().find(({ dataset }) => dataset["attribute-class"].startsWith("edge") && dataset.region === String(region));
  const key = (name, at = 0, values = {}) => fire("keydown", point(at), { key: name, ...values });
  const drag = (target, from, to) => {
    fire("pointerdown", target, { clientX: from[0], clientY: from[1] });
    fire("pointermove", target, { clientX: to[0], clientY: to[1] });
    fire("pointerup", target);
  };
  const points = (index = 0) => editor.regions[index].points.map((place) => place.map(Math.round));
  return { editor, svg, said, changes, fire, key, drag, point, edge, points, parts };
}

const LINE = { kind: "line", points: [[100, 100], [500, 100]] };
const ZONE = { kind: "zone", points: [[100, 100], [500, 100], [500, 400]] };

test("a new line is in the middle, its first point has the focus, and it is announced", async (t) => {
  const { editor, said, changes, points, point } = await openEditor(t);

  editor.add("line");

  assert.deepEqual(points(), [[500, 100], [500, 400]]);
  assert.equal(document.activeElement, point(0));
  assert.deepEqual(said, ["Line 1 added"]);
  assert.deepEqual(changes, [true]);
});

test("a drag on the picture draws a new line anew, and only a new one", async (t) => {
  const { editor, svg, drag, points, changes } = await openEditor(t);
  editor.add("line");

  drag(svg, [10, 10], [60, 40]);
  assert.deepEqual(points(), [[100, 100], [600, 400]]);
  assert.deepEqual(changes, [true, false, true]);

  drag(svg, [0, 0], [90, 50]);
  assert.deepEqual(points(), [[100, 100], [600, 400]]);
});

test("a line keeps its points apart, by keys and by a drag that ends where it began", async (t) => {
  const { editor, svg, fire, key, points } = await openEditor(t);
  editor.add("line");

  for (let count = 0; count < 50; count += 1) key("ArrowDown", 0);
  assert.deepEqual(points(), [[500, 390], [500, 400]]);
  editor.add("line");
  fire("pointerdown", svg, { clientX: 10, clientY: 10 });
  for (const clientX of [60, 10]) fire("pointermove", svg, { clientX, clientY: 10 });
  fire("pointerup", svg);

  assert.deepEqual(points(1), [[100, 100], [600, 100]]);
});

test("a dragged point follows the pointer, but not out of the picture", async (t) => {
  const { editor, drag, point, points, said } = await openEditor(t, [LINE]);
  editor.choose(0);

  drag(point(1), [50, 10], [150, 20]);

  assert.deepEqual(points(), [[100, 100], [1000, 200]]);
  assert.deepEqual(said, ["Line 1 changed"]);
});

test("a drag on the edge moves all of a zone", async (t) => {
  const { edge, drag, points } = await openEditor(t, [LINE, ZONE]);

  drag(edge(1), [10, 10], [20, 15]);

  assert.deepEqual(points(1), [[200, 150], [600, 150], [600, 450]]);
  assert.deepEqual(points(0), LINE.points);
});

test("over a mirrored picture a point follows the pointer all the same", async (t) => {
  const { editor, drag, point, points } = await openEditor(t, [LINE]);
  editor.isMirrored = true;
  editor.choose(0);

  drag(point(0), [90, 10], [80, 10]);

  assert.deepEqual(points(), [[200, 100], [500, 100]]);
});

test("arrow keys move the focused point, with Shift in small steps, and say where it is", async (t) => {
  const { editor, key, points, said } = await openEditor(t, [LINE]);
  editor.choose(0);

  key("ArrowRight", 1);
  key("ArrowDown", 1);
  const event = key("ArrowLeft", 1, { shiftKey: true });

  assert.deepEqual(points(), [[100, 100], [518, 110]]);
  assert.equal(said.at(-1), "Line 1, 2 of 2: 52% 22%");
  assert.equal(event.defaultPrevented, true);
});

test("Delete removes a corner of a zone, then the zone, and a line at once", async (t) => {
  const { editor, key, said } = await openEditor(t, [LINE, { ...ZONE, points: [...ZONE.points, [100, 400]] }]);
  editor.choose(1);

  key("Delete", 3);
  assert.deepEqual(editor.regions[1].points, ZONE.points);
  key("Delete", 0);
  assert.deepEqual(editor.regions, [LINE]);
  editor.choose(0);
  key("Delete", 0);

  assert.deepEqual(editor.regions, []);
  assert.deepEqual(said, ["Zone 1 changed", "Zone 1 removed", "Line 1 removed"]);
});

test("Enter adds a corner to a zone and focuses it", async (t) => {
  const { editor, key, points, point } = await openEditor(t, [ZONE]);
  editor.choose(0);

  key("Enter", 0);

  assert.deepEqual(points(), [[100, 100], [300, 100], [500, 100], [500, 400]]);
  assert.equal(document.activeElement, point(1));
});

test("other keys are left to the page", async (t) => {
  const { editor, key } = await openEditor(t, [LINE]);
  editor.choose(0);

  assert.equal(key("Tab").defaultPrevented, false);
  assert.equal(key("ArrowRight", 0, { ctrlKey: true }).defaultPrevented, false);
});

test("only the points of the chosen one can be focused, and lines come before zones", async (t) => {
  const { editor, parts } = await openEditor(t, [ZONE]);
  editor.add("line");

  const named = parts().filter(({ textContent }) => textContent).map(({ textContent }) => textContent);
  const focusable = parts().filter(({ dataset }) => dataset["attribute-tabindex"] === "0");
  assert.deepEqual(named.sort(), ["Line 1", "Zone 1"]);
  assert.equal(focusable.length, 2);
  assert.ok(focusable.every(({ dataset }) => dataset.region === "0"));
});

test("there are at most ten lines", async (t) => {
  const { editor } = await openEditor(t);

  for (let count = 0; count < 12; count += 1) editor.add("line");

  assert.equal(editor.count("line"), 10);
});

