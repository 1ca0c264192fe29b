import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { labelPlaces } from "../../static/js/drawing/label-places.js";

const cases = JSON.parse(
  readFileSync(new URL("../contract/label_places.json", import.meta.url), "utf8"),
);

for (const { name, room, labels, places } of cases) {
  test(`browser and server put labels at the same places: ${name}`, () => {
    const { width, height, label_height: labelHeight, gap } = room;
    const found = labelPlaces(labels, { width, height, labelHeight, gap });
    assert.deepEqual(found.map((place) => place && [place.x, place.y]), places);
  });
}

test("no labels have no positions", () => {
  assert.deepEqual(labelPlaces([], { width: 100, height: 100, labelHeight: 10, gap: 2 }), []);
});
