import assert from "node:assert/strict";
import { test } from "node:test";

import { isReadByServer, openPicture, shrink, shrunkSize } from "../../static/js/files/shrink.js";

test("a picture shrinks to its longest side and never grows", () => {
  assert.deepEqual(shrunkSize({ width: 4000, height: 3000 }, 1280), { width: 1280, height: 960 });
  assert.deepEqual(shrunkSize({ width: 300, height: 4000 }, 416), { width: 31, height: 416 });
  assert.deepEqual(shrunkSize({ width: 200, height: 100 }, 416), { width: 200, height: 100 });
  assert.deepEqual(shrunkSize({ width: 1, height: 5000 }, 416), { width: 1, height: 416 });
});

test("formats are recognised by their bytes, whatever the file name", async () => {
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

/** A picture that the browser decoded, and the sizes that a canvas encodes. */
function fakeEncoder(t, { naturalWidth, naturalHeight, jpegBytes }) {
  const drawn = [];
  const canvas = {
    getContext: () => ({
      fillRect() {},
      drawImage: (_image, _x, _y, ...size) => drawn.push(size),
    }),
    toBlob: (use, type) => use(new Blob([new Uint8Array(jpegBytes)], { type })),
  };
  globalThis.document = { createElement: () => canvas };
  t.after(() => delete globalThis.document);
  return { image: { naturalWidth, naturalHeight }, drawn };
}

const PNG = new File(["\x89PNG", "x".repeat(96)].map((text) => Buffer.from(text, "latin1")), "a.png");
const AVIF = new File(["\0\0\0\x20ftypavif"], "a.avif");

test("a large picture is shrunk, even if its file has fewer bytes", async (t) => {
  const encoder = fakeEncoder(t, { naturalWidth: 2000, naturalHeight: 1000, jpegBytes: 500 });

  const sent = await shrink(PNG, encoder.image, { longestSide: 640, quality: 0.9 });

  assert.deepEqual([sent.width, sent.height, sent.blob.size], [640, 320, 500]);
  assert.equal(sent.blob.type, "image/jpeg");
  assert.deepEqual(encoder.drawn, [[640, 320]]);
});

test("of a picture of the same size, the smaller file is uploaded", async (t) => {
  const { image } = fakeEncoder(t, { naturalWidth: 640, naturalHeight: 480, jpegBytes: 50 });
  const options = { longestSide: 640, quality: 0.9 };
  assert.equal((await shrink(PNG, image, options)).blob.size, 50);

  fakeEncoder(t, { jpegBytes: 500 });

  assert.equal((await shrink(PNG, image, options)).blob.size, PNG.size);
});

test("without a limit a file is unchanged, unless the server cannot read it", async (t) => {
  const { image } = fakeEncoder(t, { naturalWidth: 4000, naturalHeight: 3000, jpegBytes: 500 });
  const options = { longestSide: Infinity, quality: 0.9 };

  assert.equal((await shrink(PNG, image, options)).blob.size, PNG.size);
  const { blob, width } = await shrink(AVIF, image, options);

  assert.deepEqual([blob.type, blob.size, width], ["image/jpeg", 500, 4000]);
});

test("a file without a type gets one, as data URLs need it", async (t) => {
  const { image } = fakeEncoder(t, { naturalWidth: 10, naturalHeight: 10, jpegBytes: 500 });

  const { blob } = await shrink(PNG, image, { longestSide: Infinity, quality: 0.9 });

  assert.equal(blob.type, "image/jpeg");
});

test("a file that is not a picture, or has no size, is rejected, and its memory is freed", async (t) => {
  const revoked = t.mock.method(URL, "revokeObjectURL");
  let decodes = () => Promise.reject(new DOMException("no picture", "EncodingError"));
  globalThis.Image = class {
    naturalWidth = 0;
    naturalHeight = 0;
    decode = () => decodes();
  };
  t.after(() => delete globalThis.Image);

  await assert.rejects(openPicture(PNG), { name: "EncodingError" });
  decodes = async () => {};
  await assert.rejects(openPicture(PNG), /no size/);

  assert.equal(revoked.mock.callCount(), 2);
});
