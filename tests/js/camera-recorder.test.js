import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Recorder } from "../../detect_camera/static/detect_camera/recorder.js";

/** A browser's recorder that can write WebM only. */
class FakeMediaRecorder {
  static isTypeSupported = (type) => type.startsWith("video/webm");

  constructor(stream, { mimeType }) {
    this.stream = stream;
    this.mimeType = mimeType;
  }

  start() {}

  stop() {
    this.ondataavailable({ data: "end" });
    this.onstop();
  }
}

beforeEach(() => {
  const canvas = { captureStream: (rate) => `canvas at ${rate} frames per second` };
  globalThis.document = { createElement: () => canvas };
  globalThis.MediaRecorder = FakeMediaRecorder;
});

afterEach(() => {
  delete globalThis.document;
  delete globalThis.MediaRecorder;
});

test("a recording is what was painted while it ran, in a format that the browser writes", async () => {
  let painted = 0;
  const recorder = new Recorder(() => (painted += 1));
  recorder.frameDrawn();
  assert.equal(painted, 0);

  recorder.start();
  recorder.frameDrawn();
  recorder.recorder.ondataavailable({ data: "begin " });
  const recording = await recorder.stop();
  recorder.frameDrawn();

  assert.equal(painted, 2, "once to begin with, once for the frame");
  assert.equal(recording.type, "video/webm");
  assert.equal(await recording.text(), "begin end");
  assert.equal(recorder.isRecording, false);
});

test("a second recording holds nothing of the first", async () => {
  const recorder = new Recorder(() => {});
  recorder.start();
  await recorder.stop();
  recorder.start();

  assert.equal(await (await recorder.stop()).text(), "end");
});
