import assert from "node:assert/strict";
import { test } from "node:test";

import { isReadByServer, shrunkSize } from "../../static/js/shrink.js";

test("a picture shrinks to its longest side and never grows", () => {
  assert.deepEqual(shrunkSize({ width: 4000, height: 3000 }, 1280), { width: 1280, height: 960 });
  assert.deepEqual(shrunkSize({ width: 300, height: 4000 }, 416), { width: 31, height: 416 });
  assert.deepEqual(shrunkSize({ width: 200, height: 100 }, 416), { width: 200, height: 100 });
  assert.deepEqual(shrunkSize({ width: 1, height: 5000 }, 416), { width: 1, height: 416 });
});

test("what the server reads is known by its bytes, whatever the file is called", async () => {
  const kinds = {
    jpeg: ["\xff\xd8\xff\xe0\0\x10JFIF", true],
    png: ["\x89PNG\r\n\x1a\n\0\0\0\r", true],
    webp: ["RIFF\x0a\0\0\0WEBPVP8 ", true],
    bmp: ["BM\x36\0\0\0\0\0\0\0", true],
    avif: ["\0\0\0\x20ftypavif", false],
    gif: ["GIF89a\x01\0\x01\0", false],
    svg: ["<svg xmlns='http://www.w3.org/2000/svg'/>", false],
    wave: ["RIFF\x0a\0\0\0WAVEfmt ", false],
    empty: ["", false],
  };
  for (const [kind, [start, isRead]] of Object.entries(kinds)) {
    const bytes = Uint8Array.from(start, (letter) => letter.charCodeAt(0));
    assert.equal(await isReadByServer(new Blob([bytes], { type: "image/png" })), isRead, kind);
  }
});
