import assert from "node:assert/strict";
import { test } from "node:test";

import { SNIPPETS } from "../../detect_image/static/detect_image/snippets.js";

test("a file name cannot break out of a snippet", () => {
  const sent = { url: "http://localhost/", fileName: `it's "a" \\ $(x).jpg`, fields: { store: true } };

  assert.ok(SNIPPETS.curl(sent).includes(`'image=@"it'\\''s \\"a\\" \\\\ $(x).jpg"'`));
  assert.ok(SNIPPETS.Python(sent).includes(`open("it's \\"a\\" \\\\ $(x).jpg", "rb")`));
});
