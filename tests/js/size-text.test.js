import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { sizeText } from "../../static/js/size-text.js";

test("sizes are written in decimal units, with one decimal from megabytes on", () => {
  const contract = new URL("../contract/sizes.json", import.meta.url);
  for (const { bytes, text } of JSON.parse(readFileSync(contract, "utf8"))) {
    assert.equal(sizeText(bytes), text);
  }
});
