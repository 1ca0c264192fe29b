import assert from "node:assert/strict";
import { test } from "node:test";

import { formValues } from "../../model_library/static/model_library/form-values.js";

globalThis.HTMLInputElement = class {};

/** A field of a form. */
function field(name, kind, value, more = {}) {
  return Object.assign(new HTMLInputElement(), { name, value, dataset: { kind }, ...more });
}

test("fields become values of their kind, and a dot makes a table", () => {
  const values = formValues([
    field("name", "text", " zoo "),
    field("labels", "lines", "cat\n  dog \n"),
    field("accuracy_percent", "number", "69.4"),
    field("input.size", "numbers", "224, 224"),
    field("input.std", "numbers", "0.2 0.2 0.2"),
    field("output.sparse_coco_ids", "flag", "on", { checked: true }),
  ]);

  assert.deepEqual(values, {
    name: "zoo",
    labels: ["cat", "dog"],
    accuracy_percent: 69.4,
    input: { size: [224, 224], std: [0.2, 0.2, 0.2] },
    output: { sparse_coco_ids: true },
  });
});

test("empty fields are left out, and what is no number stays a text for the server to refuse", () => {
  const values = formValues([
    field("name", "text", " "),
    field("labels", "lines", "\n"),
    field("input.size", "numbers", "8 eight"),
    field("accuracy_percent", "number", "1e999"),
    field("output.sparse_coco_ids", "flag", "on", { checked: false }),
  ]);

  assert.deepEqual(values, {
    input: { size: [8, "eight"] },
    accuracy_percent: "1e999",
    output: { sparse_coco_ids: false },
  });
});
