import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { parseFrameMessage } from "../../detect_video/static/detect_video/frame-message.js";
import { ResultStore } from "../../detect_video/static/detect_video/result-store.js";
import { BrowserSource, ServerSource } from "../../detect_video/static/detect_video/sources.js";

const forever = new AbortController().signal;

function result(frame_index) {
  return { frame_index, pts_us: frame_index * 40_000, detections: [] };
}

/** A message as the server packs it, its JPEG being only the number. */
function packed(frame_index) {
  const header = new TextEncoder().encode(JSON.stringify({ ...result(frame_index), width: 4 }));
  const message = new Uint8Array(4 + header.length + 1);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, 4);
  message[4 + header.length] = frame_index;
  return message.buffer;
}

/** As long as a slider has to rest before the server is asked. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 200));

/** What a generator gives until it would have to wait, or until its end. */
async function take(frames, count) {
  const indices = [];
  for (let taken = 0; taken < count; taken++) {
    const { value, done } = await frames.next();
    if (done) return [...indices, "end"];
    indices.push(value.frame_index);
  }
  return indices;
}

beforeEach(() => {
  globalThis.createImageBitmap = async (blob) => ({ close() {}, blob });
});

test("a frame's message holds its result and its picture", async () => {
  const { result: found, jpeg } = parseFrameMessage(packed(7));
  assert.deepEqual(found, result(7));
  assert.deepEqual([...new Uint8Array(await jpeg.arrayBuffer())], [7]);
});

test("a message that is shorter than it says is refused", () => {
  assert.throws(() => parseFrameMessage(packed(7).slice(0, 20)), RangeError);
});

test("results are stored once each and without a gap", async () => {
  const store = new ResultStore();
  store.add([result(0), result(1)]);
  store.add([result(1), result(2), result(4)]);
  assert.equal(store.size, 3);
  assert.deepEqual(await store.at(2, forever), result(2));
});

test("a result is waited for, and there is none behind the end", async () => {
  const store = new ResultStore();
  const waiting = store.at(0, forever);
  store.add([result(0)]);
  assert.deepEqual(await waiting, result(0));
  const behind = store.at(1, forever);
  store.end(1);
  assert.equal(await behind, null);
});

test("who does not want a result any more does not wait for it", async () => {
  const leaving = new AbortController();
  const waiting = new ResultStore().at(0, leaving.signal);
  leaving.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("the server's frames come in order, and each that was drawn grants another one", async () => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  const frames = source.frames(0, forever);
  const first = take(frames, 1);
  await rest();
  assert.deepEqual(sent, [{ type: "start", mode: "frames", from: 0, credit: 16 }]);
  for (const index of [0, 1, 2]) source.receive(packed(index));
  assert.deepEqual(await first, [0]);
  assert.equal(sent.length, 1);
  source.receive({ type: "end", total: 3 });
  assert.deepEqual(await take(frames, 3), [1, 2, "end"]);
  assert.deepEqual(sent.slice(1), Array(3).fill({ type: "credit", n: 1 }));
});

test("a slider that moves on asks the server only for the place where it rests", async () => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  let leaving = new AbortController();
  const passed = [];
  for (const place of [10, 20, 30, 40, 50]) {
    leaving.abort();
    leaving = new AbortController();
    passed.push(source.frames(place, leaving.signal).next().catch(({ name }) => name));
  }

  await rest();

  assert.deepEqual(sent, [{ type: "start", mode: "frames", from: 50, credit: 16 }]);
  assert.deepEqual(await Promise.all(passed.slice(0, 4)), Array(4).fill("AbortError"));
});

test("a connection that opens meanwhile begins with the place, which is not asked for twice", async () => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  source.frames(7, forever).next();

  assert.equal(source.startMessage().from, 7);
  await rest();

  assert.deepEqual(sent, []);
});

test("frames of a former place are passed over, but give their credit back", async () => {
  const sent = [];
  const source = new ServerSource((message) => sent.push(message));
  const frames = source.frames(5, forever);
  const first = take(frames, 1);
  await rest();
  source.receive(packed(2));
  source.receive(packed(5));
  assert.deepEqual(await first, [5]);
  assert.deepEqual(sent.at(-1), { type: "credit", n: 1 });
});

test("on a new connection the server goes on behind what has arrived", async () => {
  const source = new ServerSource(() => {});
  const frames = source.frames(0, forever);
  const first = take(frames, 1);
  for (const index of [0, 1, 2]) source.receive(packed(index));
  await first;
  const { from, credit } = source.startMessage();
  assert.deepEqual([from, credit], [3, 14]);
});

/** A decoder that gives samples at those times and notes which of them are open. */
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

test("the browser's pictures are matched to results by their time stamps", async () => {
  const sink = fakeSink([-0.08, -0.04, 0, 0.02, 0.04, 0.08]);
  const source = new BrowserSource(sink);
  source.receive({ type: "frames", frames: [result(0), result(1), result(2)] });
  source.receive({ type: "end", total: 3 });
  assert.deepEqual(await take(source.frames(0, forever), 4), [0, 1, 2, "end"]);
  assert.deepEqual([...sink.open], [0, 0.04, 0.08]);
});

test("a picture that the browser does not have is an error, not another picture", async () => {
  const source = new BrowserSource(fakeSink([0, 0.08]));
  source.receive({ type: "frames", frames: [result(0), result(1)] });
  await assert.rejects(take(source.frames(0, forever), 2), /no picture for frame 1/);
});

test("a decoder that was taken away during a pause is opened again", async (t) => {
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
