import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { sizeText } from "../../static/js/files/size-text.js";

test("browser and server write sizes the same way", () => {
  const contract = new URL("../contract/sizes.json", import.meta.url);
  for (const { bytes, text } of JSON.parse(readFileSync(contract, "utf8"))) {
    assert.equal(sizeText(bytes), text);
  }
});
