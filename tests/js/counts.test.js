import assert from "node:assert/strict";
import { test } from "node:test";

import {
  areaPath,
  happenings,
  marksPath,
  presentAt,
  regionCounts,
} from "../../detect_video/static/detect_video/counts/counts.js";
import { TrackIds } from "../../detect_video/static/detect_video/counts/track-ids.js";

const event = (frame_index, class_name, more) => ({ frame_index, class_name, track_id: 1, ...more });
const COUNTS = {
  timeline_step_frames: 10,
  classes: [
    { class_name: "dog", timeline: [0, 2, 1] },
    { class_name: "car", timeline: [1, 1, 0] },
  ],
  lines: [
    {
      crossings: [event(30, "dog", { direction: "in" }), event(50, "car", { direction: "out" })],
      counts: [{ class_name: "dog", in: 1, out: 0 }, { class_name: "car", in: 0, out: 1 }],
    },
  ],
  zones: [
    {
      entries: [event(10, "dog", { until_frame_index: 20 }), event(40, "dog", { until_frame_index: 60 })],
      counts: [{ class_name: "dog", entries: 2, mean_dwell_s: 1, longest_dwell_s: 2 }],
    },
  ],
};

test("crossings and entries are in the order of time, each with its line or zone", () => {
  const all = happenings(COUNTS, new Set());

  assert.deepEqual(all.map(({ frame_index, region }) => [frame_index, region]), [[10, 1], [30, 0], [40, 1], [50, 0]]);
});

test("hidden classes are neither listed nor counted", () => {
  const hidden = new Set(["car"]);

  assert.ok(happenings(COUNTS, hidden).every(({ class_name }) => class_name === "dog"));
  assert.deepEqual(regionCounts(COUNTS, 0, hidden)[0], [{ class_name: "dog", in: 1, out: 0 }]);
});

test("an object is in a zone until it has left or is no longer seen", () => {
  const now = (frame) => regionCounts(COUNTS, frame, new Set())[1][0].now;

  assert.deepEqual([9, 10, 19, 20, 39, 40, 59, 60, 900].map(now), [0, 1, 1, 0, 0, 1, 1, 0, 0]);
});

test("the classes around a frame are those of its step in the timeline", () => {
  assert.deepEqual(presentAt(COUNTS, 9), [{ class_name: "car", count: 1 }]);
  assert.deepEqual(presentAt(COUNTS, 19), [{ class_name: "dog", count: 2 }, { class_name: "car", count: 1 }]);
  assert.deepEqual(presentAt(COUNTS, 500), []);
});

test("the outline of a timeline has a corner where the number changes", () => {
  assert.equal(areaPath([0, 2, 2, 1], 10, 35, 2), "M0 2H0V2H10V0H30V1H35V2Z");
  assert.equal(areaPath([], 1, 0, 0), "M0 0H0V0Z");
});

test("marks of the same frame are drawn once", () => {
  assert.equal(marksPath([3, 3, 8], 0, 1), "M3 0V1M8 0V1");
});

test("track ids are replaced from a frame on, and are unknown after the last one", () => {
  const ids = new TrackIds();
  ids.replace({ from_frame: 0, track_ids: [[1], [1, null], []] });
  ids.replace({ from_frame: 1, track_ids: [[1, 2], [2], [2]] });

  assert.equal(ids.size, 4);
  assert.deepEqual([0, 1, 2, 3, 4].map((frame) => ids.of(frame)), [[1], [1, 2], [2], [2], undefined]);
});
