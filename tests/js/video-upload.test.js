import assert from "node:assert/strict";
import { test } from "node:test";

import { sendChunks } from "../../static/js/requests/chunks.js";
import {
  frameCount,
  isDetectedAgain,
  progressShare,
  remainingSeconds,
  timeText,
} from "../../detect_video/static/detect_video/video.js";
import { settled } from "./fake-page.js";

const FILE = new Blob(["0123456789"]);

/** A server that stores the chunks it receives; each of `faults` replaces one response. */
function fakeReceiver(...faults) {
  const receiver = {
    kept: "",
    offsets: [],
    async patch(chunk, offset) {
      receiver.offsets.push(offset);
      const fault = faults.shift();
      const accepted = offset === receiver.kept.length;
      if (accepted && fault !== "lost") receiver.kept += await chunk.text();
      if (fault instanceof Error) throw fault;
      return fault ? { accepted: false, offset: null } : { accepted, offset: receiver.kept.length };
    },
    receivedBytes: async () => receiver.kept.length,
  };
  return receiver;
}

function send(receiver, { offset = 0, signal = new AbortController().signal, steps = [] } = {}) {
  const progress = (step) => steps.push(step);
  return sendChunks(FILE, receiver, { offset, chunkBytes: 4, signal, progress });
}

test("a file is sent in chunks of limited size", async () => {
  const receiver = fakeReceiver();
  await send(receiver);
  assert.equal(receiver.kept, "0123456789");
  assert.deepEqual(receiver.offsets, [0, 4, 8]);
});

test("an upload resumes where another one stopped", async () => {
  const receiver = fakeReceiver();
  receiver.kept = "012345";
  await send(receiver, { offset: 6 });
  assert.equal(receiver.kept, "0123456789");
  assert.deepEqual(receiver.offsets, [6]);
});

test("a server with another offset is sent what it expects", async () => {
  const receiver = fakeReceiver();
  receiver.kept = "01";
  await send(receiver, { offset: 8 });
  assert.equal(receiver.kept, "0123456789");
  assert.deepEqual(receiver.offsets, [8, 2, 6]);
});

test("after a broken connection the upload resumes, and no data is received twice", async () => {
  const steps = [];
  const receiver = fakeReceiver("lost", "answer lost");
  await send(receiver, { steps });
  assert.equal(receiver.kept, "0123456789");
  assert.deepEqual(receiver.offsets, [0, 0, 4, 8]);
  assert.deepEqual(steps, ["waiting", "waiting"]);
});

test("an upload whose last response was lost is completed with an empty chunk", async () => {
  const receiver = fakeReceiver(null, null, "answer lost");
  await send(receiver);
  assert.equal(receiver.kept, "0123456789");
  assert.deepEqual(receiver.offsets, [0, 4, 8, 10]);
});

test("a rejected file is not sent again", async () => {
  const receiver = fakeReceiver(new Error("This is no video."));
  await assert.rejects(send(receiver), { message: "This is no video." });
  assert.deepEqual(receiver.offsets, [0]);
});

test("a cancelled upload does not wait for the connection", async () => {
  const leaving = new AbortController();
  const sending = send(fakeReceiver("lost"), { signal: leaving.signal });
  await settled();
  leaving.abort();
  await assert.rejects(sending, { name: "AbortError" });
});

const RUNNING = { state: "running", frames_hint: 100, frames_detected: 25, duration_s: 4, rate: "30000/1001" };

test("the number of frames is estimated until all are detected", () => {
  assert.equal(frameCount(RUNNING), 100);
  assert.equal(frameCount({ ...RUNNING, frames_hint: 0 }), 120);
  assert.equal(frameCount({ ...RUNNING, frames_hint: 10 }), 25);
  assert.equal(frameCount({ ...RUNNING, state: "done" }), 25);
  assert.equal(frameCount({ ...RUNNING, frames_hint: 0, frames_detected: 0, duration_s: null }), 0);
});

test("progress is first that of the upload, then that of detection", () => {
  assert.equal(progressShare({ state: "uploading", received_bytes: 5, size_bytes: 20 }), 0.25);
  assert.equal(progressShare(RUNNING), 0.25);
  assert.equal(progressShare({ ...RUNNING, frames_hint: 0, duration_s: null, frames_detected: 0 }), 0);
  assert.equal(progressShare({ ...RUNNING, state: "done" }), 1);
});

test("positions are in minutes, seconds and tenths", () => {
  assert.deepEqual([0, 9.96, 65.3, 600].map(timeText), ["0:00.0", "0:09.9", "1:05.3", "10:00.0"]);
  assert.equal(timeText(-0.5), "0:00.0");
});

test("the remaining time follows from the rate, and is unknown without a rate or a number of frames", () => {
  const video = { state: "running", frames_detected: 30, frames_hint: 90, detect_fps: 4, rate: "30/1" };
  assert.equal(remainingSeconds(video), 15);
  assert.equal(remainingSeconds({ ...video, detect_fps: 0 }), null);
  assert.equal(remainingSeconds({ ...video, frames_hint: 0, duration_s: null }), null);
  assert.equal(remainingSeconds({ ...video, state: "queued" }), null);
  assert.equal(remainingSeconds({ ...video, state: "done" }), null);
});

test("results were discarded if there are fewer frames, or if they are those of another model", () => {
  const before = { model: "small", frames_detected: 20 };

  assert.equal(isDetectedAgain(before, { model: "small", frames_detected: 0 }), true);
  assert.equal(isDetectedAgain(before, { model: "large", frames_detected: 30 }), true);
  assert.equal(isDetectedAgain(before, { model: "small", frames_detected: 30 }), false);
  // The default model gets its name when detection begins.
  const queued = { model: "", frames_detected: 0 };
  assert.equal(isDetectedAgain(queued, { model: "small", frames_detected: 0 }), false);
});
