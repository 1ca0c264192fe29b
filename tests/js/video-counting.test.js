import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

const VIDEO = {
  id: "a",
  state: "running",
  width: 640,
  height: 360,
  frames_detected: 100,
  frames_hint: 300,
  rate: "10",
  duration_s: 30,
  lines: [[320, 0, 320, 360]],
  zones: [],
  urls: { tracks: "/tracks/", counts: "/counts/", regions: "/regions/", counts_csv: "/csv", counts_json: "/json" },
};
const DOG = { class_id: 16, class_name: "dog" };
const crossing = (frame_index) => ({ ...DOG, frame_index, pts_s: frame_index / 10, track_id: 1, direction: "in" });
const COUNTS = {
  frames: 100,
  fps: 10,
  duration_s: 10,
  timeline_step_frames: 1,
  classes: [{ ...DOG, objects: 1, longest_stay_s: 2, most_at_once: 1, timeline: [1] }],
  lines: [{ line: VIDEO.lines[0], crossings: [crossing(5), crossing(9)], counts: [{ ...DOG, in: 2, out: 0 }] }],
  zones: [],
};
const TRACKS = { from_frame: 0, track_ids: [[1]] };

/** The open panel of a video. Requests wait until they are answered, in their order. */
async function openPanel(t) {
  const requests = [];
  const fetch = (url, { method = "GET", body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const respond = (answer) => resolve(Response.json(answer));
      signal?.addEventListener("abort", () => reject(signal.reason));
      requests.push({ url, method, body: body && JSON.parse(body), signal, respond });
    });
  let nowMs = 0;
  const page = fakePage(t, {
    texts: {
      "region-list": "dwell",
      crossings: "goesIn goesOut enters",
      regions: "line zone point added moved removed",
      plot: "most crossings",
      totals: "seconds",
      "counting-error": "unreachable",
    },
    globals: { fetch, performance: { now: () => nowMs } },
  });
  const { element } = page;
  Object.assign(element("region-list").dataset, { lineCount: "in {in}", zoneCount: "", colon: ": ", comma: ", " });
  element("threshold").value = "0.4";
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { Counting } = await load("detect_video/static/detect_video/counts/counting.js");
  const counting = new Counting({ seek() {}, pause() {}, source: () => null });
  const wait = async (durationMs = 200) => {
    nowMs += durationMs;
    for (let part = 0; part < 5; part += 1) {
      t.mock.timers.tick(durationMs);
      await settled();
    }
  };
  const open = (path) => requests.filter(({ url, signal }) => url.startsWith(path) && !signal?.aborted);
  const answerAll = async () => {
    for (const { url, respond } of requests) respond(url.startsWith("/counts/") ? COUNTS : TRACKS);
    await wait();
  };
  counting.update(VIDEO);
  element("counting").open = true;
  element("counting").dispatchEvent(new Event("toggle"));
  await wait();
  return { ...page, counting, requests, wait, open, answerAll };
}

test("a slow answer is waited for while detection goes on, and is shown", async (t) => {
  const { element, counting, requests, open, wait, answerAll } = await openPanel(t);

  for (let frames = 110; frames < 150; frames += 10) {
    counting.update({ ...VIDEO, frames_detected: frames });
    await wait(3000);
  }
  assert.equal(open("/counts/").length, 1);
  await answerAll();

  assert.equal(element("totals").children.length, 1);
  await wait(3000);
  counting.update({ ...VIDEO, frames_detected: 200 });
  await wait();
  assert.equal(requests.filter(({ url }) => url.startsWith("/counts/")).length, 2);
});

test("regions are saved one after the other, and of those that wait only the newest", async (t) => {
  const { element, open, wait } = await openPanel(t);
  const lines = () => open("/regions/").map(({ body }) => body.lines.length);

  element("add-line").click();
  await wait();
  for (let count = 0; count < 3; count += 1) element("add-line").click();
  await wait();
  assert.deepEqual(lines(), [2]);
  open("/regions/")[0].respond({});
  await wait();

  assert.deepEqual(lines(), [2, 5]);
});

test("downloaded counts are of the lines that are shown, also before these are saved", async (t) => {
  const { element } = await openPanel(t);
  const linked = () =>
    ["csv", "json"].map((format) => {
      const [path, query] = element("count-exports").querySelector(`.${format}`).href.split("?");
      assert.equal(path, `/${format}`);
      return new URLSearchParams(query).getAll("line");
    });

  element("add-line").click();
  assert.deepEqual(linked().map((lines) => lines.length), [2, 2]);
  for (let count = 0; count < 2; count += 1) {
    element("region-list").children[0].querySelector(".remove").click();
  }

  assert.deepEqual(linked(), [[""], [""]]);
});

test("when a video is detected again the old numbers go, also those on their way", async (t) => {
  const { element, counting, wait, answerAll } = await openPanel(t);
  await answerAll();
  counting.update({ ...VIDEO, frames_detected: 120 });
  await wait(3000);

  counting.forget();
  await answerAll();

  const shown = ["totals", "crossings", "plot-rows"].map((id) => element(id).children.length);
  assert.deepEqual(shown, [0, 0, 0]);
  assert.equal(element("region-list").children[0].querySelector(".counted").textContent, "in 0");
});

test("rows of crossings that are shown already stay when there are more", async (t) => {
  const { element } = await openPanel(t);
  const { showCrossings } = await load("detect_video/static/detect_video/counts/tables.js");
  const buttons = () => element("crossings").children.map((row) => row.firstElementChild);
  const events = [5, 9, 20].map((frame) => ({ ...crossing(frame), region: 0 }));

  showCrossings(events.slice(0, 2), () => "Line 1");
  const before = buttons();
  const parts = before[0].children;
  showCrossings(events, () => "Line 1");

  assert.deepEqual(buttons().map(({ dataset }) => dataset.frame), ["5", "9", "20"]);
  assert.equal(buttons()[1], before[1]);
  assert.equal(buttons()[0].children, parts);
});
