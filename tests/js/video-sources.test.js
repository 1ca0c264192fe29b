import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { parseFrameMessage } from "../../detect_video/static/detect_video/player/frame-message.js";
import { ResultStore } from "../../detect_video/static/detect_video/player/result-store.js";
import { BrowserSource, ServerSource } from "../../detect_video/static/detect_video/sources.js";
import { settled } from "./fake-page.js";

const forever = new AbortController().signal;

function result(frame_index) {
  return { frame_index, pts_us: frame_index * 40_000, detections: [] };
}

/** A message as packed by the server, with a number instead of a JPEG. */
function packed(frame_index) {
  const header = new TextEncoder().encode(JSON.stringify({ ...result(frame_index), width: 4 }));
  const message = new Uint8Array(4 + header.length + 1);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, 4);
  message[4 + header.length] = frame_index;
  return message.buffer;
}

/** Let the slider rest for as long as the server is not asked. */
async function rest(t) {
  await settled();
  t.mock.timers.tick(200);
  await settled();
}

/** The values of a generator until it waits or ends. */
async function take(frames, count) {
  const indices = [];
  for (let taken = 0; taken < count; taken++) {
    const { value, done } = await frames.next();
    if (done) return [...indices, "end"];
    indices.push(value.frame_index);
  }
  return indices;
}

beforeEach((t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.createImageBitmap = async (blob) => ({ close() {}, blob });
});

test("a frame's message contains its result and its picture", async () => {
  const { result: found, jpeg } = parseFrameMessage(packed(7));
  assert.deepEqual(found, result(7));
  assert.deepEqual([...new Uint8Array(await jpeg.arrayBuffer())], [7]);
});

test("a message shorter than its stated length is rejected", () => {
  assert.throws(() => parseFrameMessage(packed(7).slice(0, 20)), RangeError);
});

test("results are stored once each and without gaps", async () => {
  const store = new ResultStore();
  store.add([result(0), result(1)]);
  store.add([result(1), result(2), result(4)]);
  assert.equal(store.size, 3);
  assert.deepEqual(await store.at(2, forever), result(2));
});

test("a result is awaited, and there is none beyond the end", async () => {
  const store = new ResultStore();
  const waiting = store.at(0, forever);
  store.add([result(0)]);
  assert.deepEqual(await waiting, result(0));
  const behind = store.at(1, forever);
  store.end(1);
  assert.equal(await behind, null);
});

test("an aborted wait for a result ends", async () => {
  const leaving = new AbortController();
  const waiting = new ResultStore().at(0, leaving.signal);
  leaving.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("the server's frames arrive in order, and each drawn frame grants credit for another", async (t) => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  const frames = source.frames(0, forever);
  const first = take(frames, 1);
  await rest(t);
  assert.deepEqual(sent, [{ type: "start", mode: "frames", from: 0, credit: 16 }]);
  for (const index of [0, 1, 2]) source.receive(packed(index));
  assert.deepEqual(await first, [0]);
  assert.equal(sent.length, 1);
  source.receive({ type: "end", total: 3 });
  assert.deepEqual(await take(frames, 3), [1, 2, "end"]);
  assert.deepEqual(sent.slice(1), Array(3).fill({ type: "credit", n: 1 }));
});

test("a moving slider requests only its final position", async (t) => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  let leaving = new AbortController();
  const passed = [];
  for (const place of [10, 20, 30, 40, 50]) {
    leaving.abort();
    leaving = new AbortController();
    passed.push(source.frames(place, leaving.signal).next().catch(({ name }) => name));
    t.mock.timers.tick(40);
  }

  await rest(t);

  assert.deepEqual(sent, [{ type: "start", mode: "frames", from: 50, credit: 16 }]);
  assert.deepEqual(await Promise.all(passed.slice(0, 4)), Array(4).fill("AbortError"));
});

test("a connection that opens meanwhile starts at the new position, which is not requested twice", async (t) => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  source.frames(7, forever).next();

  assert.equal(source.startMessage().from, 7);
  await rest(t);

  assert.deepEqual(sent, []);
});

test("frames of a previous position are skipped, but return their credit", async (t) => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  const frames = source.frames(5, forever);
  const first = take(frames, 1);
  await rest(t);
  source.receive(packed(2));
  source.receive(packed(5));
  assert.deepEqual(await first, [5]);
  assert.deepEqual(sent.at(-1), { type: "credit", n: 1 });
});

test("on a new connection, the server continues after the frames received", async (t) => {
  const source = new ServerSource(() => {});
  const frames = source.frames(0, forever);
  const first = take(frames, 1);
  await rest(t);
  for (const index of [0, 1, 2]) source.receive(packed(index));
  await first;
  const { from, credit } = source.startMessage();
  assert.deepEqual([from, credit], [3, 14]);
});

/** A decoder with samples at these times; records which of them are open. */
function fakeSink(timesS, { failsAt = NaN } = {}) {
  const open = new Set();
  return {
    open,
    async *samples(startS) {
      for (const timestamp of timesS.filter((timeS) => timeS >= startS - 0.001)) {
        if (timestamp === failsAt) throw new Error("decoder");
        open.add(timestamp);
        yield { timestamp, close: () => open.delete(timestamp) };
      }
    },
  };
}

test("the browser's pictures are matched to results by their timestamps", async () => {
  const sink = fakeSink([-0.08, -0.04, 0, 0.02, 0.04, 0.08]);
  const source = new BrowserSource(sink);
  source.receive({ type: "frames", frames: [result(0), result(1), result(2)] });
  source.receive({ type: "end", total: 3 });
  assert.deepEqual(await take(source.frames(0, forever), 4), [0, 1, 2, "end"]);
  assert.deepEqual([...sink.open], [0, 0.04, 0.08]);
});

test("a missing picture is an error and not replaced by another one", async () => {
  const source = new BrowserSource(fakeSink([0, 0.08]));
  source.receive({ type: "frames", frames: [result(0), result(1)] });
  await assert.rejects(take(source.frames(0, forever), 2), /no picture for frame 1/);
});

test("a decoder that the browser closed during a pause is reopened", async (t) => {
  let nowMs = 10_000;
  t.mock.method(performance, "now", () => nowMs);
  const sink = fakeSink([0, 0.04, 0.08], { failsAt: 0.04 });
  const source = new BrowserSource(sink);
  source.receive({ type: "frames", frames: [result(0), result(1)] });
  const frames = source.frames(0, forever);
  assert.deepEqual(await take(frames, 1), [0]);
  nowMs += 60_000;
  sink.samples = fakeSink([0, 0.04, 0.08]).samples;
  assert.deepEqual(await take(frames, 1), [1]);
});
