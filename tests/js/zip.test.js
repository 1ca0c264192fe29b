import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { zip } from "../../static/js/files/zip.js";

/** The content of an archive according to Python's zipfile, which verifies the checksums. */
const READ = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(json.dumps([[i.filename, archive.read(i).hex(), i.date_time] for i in archive.infolist()]))
`;

test("other programs read an archive, including folders and names in any script", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zip-"));
  const path = join(folder, "archive.zip");
  const moment = new Date(2026, 10, 23, 22, 45, 58);

  const archive = await zip(
    [
      { name: "a.txt", content: "héllo" },
      { name: "drawn/风筝.jpg", content: new Blob([Uint8Array.of(0, 255, 80, 75)]) },
      { name: "empty.txt", content: "" },
    ],
    moment,
  );
  writeFileSync(path, Buffer.from(await archive.arrayBuffer()));

  const found = JSON.parse(execFileSync("python3", ["-c", READ, path], { encoding: "utf8" }));
  assert.deepEqual(found, [
    ["a.txt", Buffer.from("héllo").toString("hex"), [2026, 11, 23, 22, 45, 58]],
    ["drawn/风筝.jpg", "00ff504b", [2026, 11, 23, 22, 45, 58]],
    ["empty.txt", "", [2026, 11, 23, 22, 45, 58]],
  ]);
  assert.equal(readFileSync(path).subarray(0, 2).toString(), "PK");
  rmSync(folder, { recursive: true });
});
