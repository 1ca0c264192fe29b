import assert from "node:assert/strict";
import { test } from "node:test";

import {
  arrowIn,
  drawnRegion,
  flat,
  moved,
  newRegion,
  turned,
  unflat,
  withCorner,
  withoutPoint,
} from "../../static/js/tracks/regions.js";

const SIZE = { width: 640, height: 480 };
const LINE = { kind: "line", points: [[100, 50], [300, 50]] };
const ZONE = { kind: "zone", points: [[10, 10], [110, 10], [60, 90]] };

test("new lines and zones are within the picture, and none covers another", () => {
  for (const kind of ["line", "zone"]) {
    const all = Array.from({ length: 10 }, (_, before) => newRegion(kind, SIZE, before));
    for (const [x, y] of all.flatMap(({ points }) => points)) {
      assert.ok(x >= 0 && x <= 640 && y >= 0 && y <= 480);
    }
    assert.equal(new Set(all.map(({ points }) => points.join())).size, 10);
  }
});

test("a drag draws a line, or a zone with four corners", () => {
  assert.deepEqual(drawnRegion(LINE, [1, 2], [3, 4], SIZE).points, [[1, 2], [3, 4]]);
  assert.deepEqual(drawnRegion(ZONE, [1, 2], [3, 4], SIZE).points, [[1, 2], [3, 2], [3, 4], [1, 4]]);
});

test("the points of a line are never the same, also once they are rounded", () => {
  assert.equal(drawnRegion(LINE, [1, 2], [1.01, 2.01], SIZE), LINE);
  assert.equal(moved(LINE, 1, [-200, 0.2], SIZE), LINE);
  const share = { kind: "line", points: [[0.5, 0.2], [0.5, 0.8]] };
  const short = moved(share, 1, [0, -0.598], { width: 1, height: 1 });
  assert.deepEqual(flat([short], 4).lines, [[0.5, 0.2, 0.5, 0.202]]);
});

test("a moved point stays within the picture, and the others stay where they are", () => {
  assert.deepEqual(moved(LINE, 1, [500, -80], SIZE).points, [[100, 50], [640, 0]]);
  assert.deepEqual(LINE.points, [[100, 50], [300, 50]]);
});

test("a moved zone keeps its shape at the edge of the picture", () => {
  assert.deepEqual(moved(ZONE, null, [-50, 20], SIZE).points, [[0, 30], [100, 30], [50, 110]]);
  assert.deepEqual(moved(ZONE, null, [900, 900], SIZE).points, [[540, 400], [640, 400], [590, 480]]);
});

test("a corner is added halfway to the next one, up to 20, and none to a line", () => {
  assert.deepEqual(withCorner(ZONE, 2).points, [[10, 10], [110, 10], [60, 90], [35, 50]]);
  assert.equal(withCorner(LINE, 0), LINE);
  let zone = ZONE;
  for (let count = 0; count < 30; count += 1) zone = withCorner(zone, 0);
  assert.equal(zone.points.length, 20);
});

test("a triangle and a line need all of their points", () => {
  assert.equal(withoutPoint(LINE, 0), null);
  assert.equal(withoutPoint(ZONE, 0), null);
  assert.deepEqual(withoutPoint(withCorner(ZONE, 0), 1).points, ZONE.points);
});

test("objects come in to the right of a line, and to the left once it is turned", () => {
  assert.deepEqual(arrowIn(LINE.points, 20), [[200, 50], [200, 70]]);
  assert.deepEqual(arrowIn(turned(LINE).points, 20), [[200, 50], [200, 30]]);
});

test("the server's lines and zones are those of the page, with lines first", () => {
  const regions = [LINE, ZONE];
  const sent = flat([ZONE, LINE], 1);
  assert.deepEqual(sent, { lines: [[100, 50, 300, 50]], zones: [[10, 10, 110, 10, 60, 90]] });
  assert.deepEqual(unflat(sent), regions);
});

test("coordinates are rounded to the given decimals", () => {
  const line = { kind: "line", points: [[0.123456, 1 / 3], [2 / 3, 1]] };
  assert.deepEqual(flat([line], 4).lines, [[0.1235, 0.3333, 0.6667, 1]]);
});
