import assert from "node:assert/strict";
import { test } from "node:test";

import { openCamera, playCamera, problemOf } from "../../detect_camera/static/detect_camera/camera.js";
import { capture } from "../../detect_camera/static/detect_camera/capture.js";
import { frameMessage } from "../../detect_camera/static/detect_camera/frame-message.js";
import { CountHistory, drawHistory } from "../../detect_camera/static/detect_camera/history.js";
import {
  ExponentialAverage,
  FramesInFlight,
  LEVELS,
  nextLevel,
} from "../../detect_camera/static/detect_camera/pace.js";

test("a frame's message begins with a header of 16 bytes", () => {
  const message = Buffer.from(frameMessage(7, 1234.5, new Uint8Array([0xff, 0xd8]).buffer));

  assert.equal(message.toString("hex"), "01001000" + "07000000" + "0000000000" + "4a9340" + "ffd8");
});

test("an exponential average begins with the first value, and follows slowly", () => {
  const average = new ExponentialAverage();
  assert.equal(average.value, null);
  average.add(100);
  average.add(200);
  assert.equal(average.value, 110);
});

test("a slow network gets smaller frames, a fast one larger ones", () => {
  assert.equal(nextLevel(2, 500), 1);
  assert.equal(nextLevel(0, 500), 0);
  assert.equal(nextLevel(2, 100), 2);
  assert.equal(nextLevel(2, 20), 3);
  assert.equal(nextLevel(LEVELS.length - 1, 20), LEVELS.length - 1);
});

/**
 * Draw frames for some seconds, at a pace that depends on how many are in flight.
 * @param {Record<number, {every_ms: number, latency_ms: number}>} pace
 */
function limitAfter(seconds, pace) {
  const framesInFlight = new FramesInFlight(0);
  let now = 0;
  while (now < seconds * 1000) {
    const { every_ms, latency_ms } = pace[framesInFlight.limit];
    now += every_ms;
    framesInFlight.drawn(now, latency_ms);
  }
  return framesInFlight.limit;
}

test("two frames are in flight only if that gives a higher rate at about the same latency", () => {
  const one = { every_ms: 40, latency_ms: 40 };

  assert.equal(limitAfter(7, { 1: one, 2: { every_ms: 25, latency_ms: 45 } }), 2);
  assert.equal(limitAfter(7, { 1: one, 2: { every_ms: 40, latency_ms: 80 } }), 1);
  assert.equal(limitAfter(7, { 1: one, 2: { every_ms: 25, latency_ms: 80 } }), 1);
});

test("both limits are tried again after half a minute", () => {
  const pace = { 1: { every_ms: 40, latency_ms: 40 }, 2: { every_ms: 25, latency_ms: 45 } };

  assert.equal(limitAfter(35, pace), 2);
  assert.equal(limitAfter(37, pace), 1);
  assert.equal(limitAfter(43, pace), 2);
});

/** Replace the browser's functions that `capture` uses; the log has their calls. */
function fakeCapture(t, { canEncode = true } = {}) {
  const log = { sizes: [], qualities: [], open: 0 };
  globalThis.createImageBitmap = async (video, { resizeWidth: width, resizeHeight: height }) => {
    log.sizes.push([width, height]);
    log.open += 1;
    return { width, height, close: () => (log.open -= 1) };
  };
  const canvas = {
    getContext: () => ({ drawImage() {} }),
    toBlob(use, type, quality) {
      log.qualities.push([type, quality]);
      use(canEncode ? new Blob(["jpeg"]) : null);
    },
  };
  globalThis.document = { createElement: () => canvas };
  t.after(() => {
    delete globalThis.createImageBitmap;
    delete globalThis.document;
  });
  return log;
}

test("a captured frame is shrunk to the longest side, but not below the server's minimum", async (t) => {
  const log = fakeCapture(t);
  const sizes = [[1280, 720], [480, 640], [4000, 20]];
  for (const [videoWidth, videoHeight] of sizes) {
    const { jpeg } = await capture({ videoWidth, videoHeight }, { side: 640, quality: 0.7 });
    assert.equal(Buffer.from(jpeg).toString(), "jpeg");
  }

  assert.deepEqual(log.sizes, [[640, 360], [480, 640], [640, 8]]);
  assert.deepEqual(log.qualities[0], ["image/jpeg", 0.7]);
});

test("errors of opening a camera have different messages", () => {
  const named = (name) => new DOMException("no", name);

  assert.equal(problemOf(named("NotAllowedError"), true), "denied");
  assert.equal(problemOf(named("NotAllowedError"), false), "insecure");
  assert.equal(problemOf(named("NotFoundError"), true), "none");
  assert.equal(problemOf(named("OverconstrainedError"), true), "none");
  assert.equal(problemOf(named("NotReadableError"), true), "inUse");
  assert.equal(problemOf(new TypeError("?"), true), "failed");
});

test("the history has the highest count of each second in the last minute", () => {
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

test("a camera that the browser refuses to play is turned off, and the error is not about permission", async () => {
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

test("the camera of the last visit is preferred but not required, as it may be disconnected", async () => {
  const asked = [];
  const mediaDevices = { getUserMedia: async (constraints) => asked.push(constraints.video) };
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });

  await openCamera({ deviceId: "front", facing: "user", width: 640 });
  await openCamera({ deviceId: "", facing: "user", width: 640 });
  await openCamera({ deviceId: "", facing: "", width: 640 });

  const width = { ideal: 640 };
  assert.deepEqual(asked, [{ width, deviceId: "front" }, { width, facingMode: "user" }, { width }]);
});

test("a frame that cannot be encoded is an error, and its memory is freed", async (t) => {
  const log = fakeCapture(t, { canEncode: false });

  const video = { videoWidth: 4, videoHeight: 3 };
  await assert.rejects(capture(video, { side: 640, quality: 0.7 }), /could not be encoded/);

  assert.equal(log.open, 0);
});

test("the chart has the count and the time at its axes", () => {
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
