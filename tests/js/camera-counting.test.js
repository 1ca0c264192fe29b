import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load } from "./fake-page.js";

const LINES = JSON.stringify({ lines: [[0.5, 0.1, 0.5, 0.9]], zones: [[0, 0, 0.5, 0, 0.5, 0.5]] });
const DOG = { box: [10, 5, 30, 25], class_id: 16, class_name: "dog", score: 0.9, track_id: 7 };

/** The panel of the camera page, with what it sends. */
async function openPanel(t, { stored = {}, isOpen = true } = {}) {
  const page = fakePage(t, { stored, texts: { "region-list": "dwell", crossings: "in out", regions: "point" } });
  const { element } = page;
  Object.assign(element("region-list").dataset, {
    lineCount: "in {in} out {out}",
    zoneCount: "now {now} of {entries}",
    colon: ": ",
    comma: ", ",
  });
  Object.assign(element("regions").dataset, { line: "Line {number}", zone: "Zone {number}", added: "" });
  element("threshold").value = "0.4";
  element("show-tracks").checked = true;
  element("counting").open = isOpen;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { Counting } = await load("detect_camera/static/detect_camera/counting.js");
  const sent = [];
  const counting = new Counting((settings) => sent.push(settings));
  const wait = async () => {
    t.mock.timers.tick(1000);
    await new Promise(setImmediate);
  };
  const rows = () => element("region-list").children.map((row) => row.querySelector(".counted").textContent);
  return { ...page, counting, sent, wait, rows };
}

const answer = (counts) => ({ detections: [DOG], counts });

test("until the panel is opened nothing is tracked", async (t) => {
  const { counting } = await openPanel(t, { isOpen: false, stored: { "camera.regions": LINES } });

  assert.equal(counting.firstSettings, null);
});

test("remembered lines and zones are sent as shares of the frame, with the threshold", async (t) => {
  const { counting } = await openPanel(t, { stored: { "camera.regions": LINES } });

  assert.deepEqual(counting.firstSettings, {
    type: "settings",
    tracks: true,
    score_threshold: 0.4,
    ...JSON.parse(LINES),
  });
});

test("a new line is sent and remembered", async (t) => {
  const { element, sent, wait } = await openPanel(t);

  element("add-line").click();
  await wait();

  assert.deepEqual(sent.map(({ lines }) => lines), [[[0.5, 0.2, 0.5, 0.8]]]);
  assert.deepEqual(JSON.parse(localStorage.getItem("camera.regions")).lines, [[0.5, 0.2, 0.5, 0.8]]);
});

test("another threshold is sent once it rests", async (t) => {
  const { element, sent, wait } = await openPanel(t);

  for (const value of ["0.5", "0.6", "0.7"]) element("threshold").change({ value });
  await wait();

  assert.deepEqual(sent.map(({ score_threshold }) => score_threshold), [0.7]);
});

test("closing the panel ends tracking and counting", async (t) => {
  const { element, sent, wait } = await openPanel(t, { stored: { "camera.regions": LINES } });

  element("counting").open = false;
  element("counting").dispatchEvent(new Event("toggle"));
  await wait();

  const [{ tracks, lines, zones }] = sent;
  assert.deepEqual({ tracks, lines, zones }, { tracks: false, lines: [], zones: [] });
});

test("counts are shown by class, and the latest crossing first", async (t) => {
  const { element, counting, rows } = await openPanel(t, { stored: { "camera.regions": LINES } });
  const crossing = (track_id, direction) => ({ line: 0, track_id, class_name: "dog", direction });

  counting.show(
    answer({
      lines: [{ in: { 16: 2 }, out: { 16: 1 } }],
      zones: [{ now: { 16: 1 }, entries: { 16: 3 } }],
      crossings: [crossing(7, "in"), crossing(8, "out")],
    }),
  );

  assert.deepEqual(rows(), ["in 2 out 1", "now 1 of 3"]);
  const listed = element("crossings").children.map(({ textContent }) => textContent);
  assert.deepEqual(listed, ["dog #8 · Line 1 · out", "dog #7 · Line 1 · in"]);
});

test("counts of lines that were removed meanwhile are ignored, and so are frames without counts", async (t) => {
  const { counting, rows } = await openPanel(t, { stored: { "camera.regions": LINES } });

  counting.show(answer({ lines: [{ in: {}, out: {} }], zones: [], crossings: [] }));
  counting.show(answer(undefined));

  assert.deepEqual(rows(), ["in 0 out 0", "now 0 of 0"]);
});

test("the list of crossings does not grow without end", async (t) => {
  const { element, counting } = await openPanel(t, { stored: { "camera.regions": LINES } });
  const counts = { lines: [{ in: {}, out: {} }], zones: [{ now: {}, entries: {} }] };

  for (let track_id = 1; track_id <= 80; track_id += 1) {
    counting.show(answer({ ...counts, crossings: [{ line: 0, track_id, class_name: "dog", direction: "in" }] }));
  }

  assert.equal(element("crossings").children.length, 50);
  assert.match(element("crossings").children[0].textContent, /#80/);
});
