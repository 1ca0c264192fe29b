import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { jpegBlob, screenContext } from "../../static/js/drawing/canvas.js";

afterEach(() => {
  delete globalThis.devicePixelRatio;
});

test("a canvas has one pixel for each device pixel, and is drawn on in CSS pixels", () => {
  globalThis.devicePixelRatio = 1.5;
  const scales = [];
  const ctx = { scale: (...factors) => scales.push(factors) };
  const canvas = { clientWidth: 101, clientHeight: 50, getContext: () => ctx };

  const drawn = screenContext(canvas);

  assert.deepEqual(drawn, { ctx, width: 101, height: 50 });
  assert.deepEqual([canvas.width, canvas.height], [152, 75]);
  assert.deepEqual(scales, [[1.5, 1.5]]);
});

test("a canvas that cannot be encoded, such as one that is too large, is an error", async () => {
  const canvas = { toBlob: (use) => use(null) };

  await assert.rejects(jpegBlob(canvas, 0.9), /could not be encoded/);
});
