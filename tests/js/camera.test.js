import assert from "node:assert/strict";
import { test } from "node:test";

import { openCamera, playCamera, problemOf } from "../../detect_camera/static/detect_camera/camera.js";
import { capture, frameSize } from "../../detect_camera/static/detect_camera/capture.js";
import { frameMessage } from "../../detect_camera/static/detect_camera/frame-message.js";
import { CountHistory, drawHistory } from "../../detect_camera/static/detect_camera/history.js";
import { Depth, LEVELS, Rate, Smooth, nextLevel } from "../../detect_camera/static/detect_camera/pace.js";

test("a frame's message begins with sixteen bytes that say which one it is", () => {
  const message = Buffer.from(frameMessage(7, 1234.5, new Uint8Array([0xff, 0xd8]).buffer));

  assert.equal(message.toString("hex"), "01001000" + "07000000" + "0000000000" + "4a9340" + "ffd8");
});

test("the rate is that of the last two seconds", () => {
  const rate = new Rate();
  for (let now = 0; now < 3000; now += 100) rate.count(now);

  assert.equal(rate.perSecond(3000), 9.5);
  assert.equal(rate.perSecond(6000), 0);
});

test("a smooth value follows slowly", () => {
  const smooth = new Smooth();
  assert.equal(smooth.value, null);
  smooth.add(100);
  smooth.add(200);
  assert.equal(smooth.value, 110);
});

test("a slow network gets smaller frames, a fast one larger ones", () => {
  assert.equal(nextLevel(2, 500), 1);
  assert.equal(nextLevel(0, 500), 0);
  assert.equal(nextLevel(2, 100), 2);
  assert.equal(nextLevel(2, 20), 3);
  assert.equal(nextLevel(LEVELS.length - 1, 20), LEVELS.length - 1);
});

/**
 * Draw frames for some seconds; with one and with two under way they come at their own pace.
 * @param {Record<number, {every_ms: number, delay_ms: number}>} pace
 */
function depthAfterTrials(pace) {
  const depth = new Depth(0);
  let now = 0;
  while (now < 7000) {
    const { every_ms, delay_ms } = pace[depth.depth];
    now += every_ms;
    depth.drawn(now, delay_ms);
  }
  return depth.depth;
}

test("two frames are under way only where that gives more of them, and none older", () => {
  const one = { every_ms: 40, delay_ms: 40 };

  assert.equal(depthAfterTrials({ 1: one, 2: { every_ms: 25, delay_ms: 45 } }), 2);
  assert.equal(depthAfterTrials({ 1: one, 2: { every_ms: 40, delay_ms: 80 } }), 1);
  assert.equal(depthAfterTrials({ 1: one, 2: { every_ms: 25, delay_ms: 80 } }), 1);
});

test("a frame shrinks to its longest side and never grows", () => {
  assert.deepEqual(frameSize(1280, 720, 640), { width: 640, height: 360 });
  assert.deepEqual(frameSize(480, 640, 640), { width: 480, height: 640 });
});

test("why there is no camera is told apart", () => {
  const named = (name) => new DOMException("no", name);

  assert.equal(problemOf(named("NotAllowedError"), true), "denied");
  assert.equal(problemOf(named("NotAllowedError"), false), "insecure");
  assert.equal(problemOf(named("NotFoundError"), true), "none");
  assert.equal(problemOf(named("OverconstrainedError"), true), "none");
  assert.equal(problemOf(named("NotReadableError"), true), "inUse");
  assert.equal(problemOf(new TypeError("?"), true), "failed");
});

test("the history holds the most of each second, and forgets after a minute", () => {
  const history = new CountHistory();
  history.add(1000, new Map([[3, 2]]));
  history.add(1500, new Map([[3, 5]]));
  history.add(1900, new Map([[3, 1]]));
  assert.deepEqual(history.counts.get(3)?.slice(-2), [0, 5]);

  history.add(4000, new Map());
  assert.deepEqual(history.counts.get(3)?.slice(-4), [5, 0, 0, 0]);
  history.add(70_000, new Map());
  assert.equal(history.counts.size, 0);
});

test("a camera that the browser does not play is turned off, and its leave is not blamed", async () => {
  const stopped = [];
  const stream = { getTracks: () => [{ stop: () => stopped.push("track") }] };
  const video = {
    srcObject: null,
    play: () => Promise.reject(new DOMException("no gesture", "NotAllowedError")),
  };

  const reason = await playCamera(stream, video).catch((error) => error);

  assert.equal(problemOf(reason, true), "failed");
  assert.deepEqual(stopped, ["track"]);
  assert.equal(video.srcObject, null);
});

test("the camera of the last visit is wished for, not demanded: it may be away", async () => {
  const asked = [];
  const mediaDevices = { getUserMedia: async (constraints) => asked.push(constraints.video) };
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });

  await openCamera({ deviceId: "front", facing: "user", width: 640 });
  await openCamera({ deviceId: "", facing: "user", width: 640 });
  await openCamera({ deviceId: "", facing: "", width: 640 });

  const width = { ideal: 640 };
  assert.deepEqual(asked, [{ width, deviceId: "front" }, { width, facingMode: "user" }, { width }]);
});

test("a frame that cannot be encoded is an error, and its memory is given back", async () => {
  let isOpen = true;
  globalThis.createImageBitmap = async () => ({ width: 4, height: 3, close: () => (isOpen = false) });
  globalThis.document = {
    createElement: () => ({ getContext: () => null, toBlob: (use) => use(null) }),
  };

  const video = { videoWidth: 4, videoHeight: 3 };
  await assert.rejects(capture(video, { side: 640, quality: 0.7 }), /could not be encoded/);

  assert.equal(isOpen, false);
  delete globalThis.createImageBitmap;
  delete globalThis.document;
});

test("the chart says how many and when at its axes", () => {
  const texts = [];
  const ctx = new Proxy(
    {
      measureText: () => ({ width: 8, actualBoundingBoxAscent: 8, actualBoundingBoxDescent: 0 }),
      fillText: (text) => texts.push(text),
    },
    { get: (known, name) => known[name] ?? (() => {}), set: () => true },
  );
  const history = new CountHistory();
  history.add(1000, new Map([[3, 7]]));

  const letters = { ink: "grey", font: "12px sans-serif", past: "60 s ago", now: "now" };
  drawHistory(ctx, history, { width: 200, height: 80, colourOf: () => "red", ...letters });

  assert.deepEqual(texts, ["7", "0", "now", "60 s ago"]);
});
