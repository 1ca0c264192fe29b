import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const noble = ["LICENSE", "sha2.js", "_md.js", "_u64.js", "utils.js"];
/** For each folder of static/vendor, its files and where the packages have them. */
const vendored = {
  mediabunny: {
    LICENSE: "mediabunny/LICENSE",
    "mediabunny.js": "mediabunny/dist/bundles/mediabunny.min.mjs",
  },
  "noble-hashes": Object.fromEntries(noble.map((name) => [name, `@noble/hashes/${name}`])),
};

for (const [name, files] of Object.entries(vendored)) {
  test(`the vendored files of ${name} are those of the pinned package`, () => {
    const folder = new URL(`../../static/vendor/${name}/`, import.meta.url);
    const packages = new URL("../../node_modules/", import.meta.url);

    assert.deepEqual(readdirSync(folder).sort(), Object.keys(files).sort());
    for (const [file, original] of Object.entries(files)) {
      assert.ok(readFileSync(new URL(file, folder)).equals(readFileSync(new URL(original, packages))), file);
    }
  });
}
