import assert from "node:assert/strict";
import { test } from "node:test";

test("names in the page's table are shown in its language", async () => {
  const textContent = JSON.stringify({ dog: "狗" });
  globalThis.document = { getElementById: (id) => (id === "class-names" ? { textContent } : null) };

  const { shownName } = await import("../../static/js/drawing/class-names.js");
  const { labelText } = await import("../../static/js/drawing/boxes.js");

  assert.equal(shownName("dog"), "狗");
  assert.equal(shownName("constructor"), "constructor");
  const dog = { box: [0, 0, 1, 1], class_id: 16, class_name: "dog", score: 0.5 };
  assert.equal(labelText(dog, { showNames: true, showScores: true }), "狗 50%");
});
