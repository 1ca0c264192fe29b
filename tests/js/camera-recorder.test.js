import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Recorder } from "../../detect_camera/static/detect_camera/recorder.js";

/** A browser's recorder that can write the types in `supported`. */
class FakeMediaRecorder {
  static supported = [];
  static isTypeSupported = (type) => FakeMediaRecorder.supported.includes(type);

  /** Without a type, the browser chooses one. */
  constructor(stream, { mimeType = "video/x-matroska;codecs=avc1" }) {
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
  globalThis.HTMLCanvasElement = class {
    captureStream() {}
  };
  FakeMediaRecorder.supported = ["video/webm"];
});

afterEach(() => {
  delete globalThis.document;
  delete globalThis.MediaRecorder;
  delete globalThis.HTMLCanvasElement;
});

test("a browser can record if it has MediaRecorder and captureStream", () => {
  assert.equal(Recorder.isSupported, true);

  globalThis.HTMLCanvasElement = class {};
  assert.equal(Recorder.isSupported, false);
  globalThis.MediaRecorder = undefined;
  assert.equal(Recorder.isSupported, false);
});

for (const [supported, type] of [
  [["video/webm", "video/webm;codecs=vp9", "video/mp4;codecs=avc1.42E01E"], "video/mp4"],
  [["video/webm", "video/webm;codecs=vp9"], "video/webm"],
  [["video/webm"], "video/webm"],
  [[], "video/x-matroska"],
]) {
  test(`a browser that writes ${supported.join(", ") || "something else"} records ${type}`, async () => {
    FakeMediaRecorder.supported = supported;
    const recorder = new Recorder(() => {});

    recorder.start();

    assert.equal((await recorder.stop()).type, type);
  });
}

test("a recording has every frame that is drawn while it runs, and no others", async () => {
  let painted = 0;
  const recorder = new Recorder(() => (painted += 1));
  recorder.frameDrawn();
  assert.equal(painted, 0);

  recorder.start();
  assert.equal(recorder.isRecording, true);
  recorder.frameDrawn();
  recorder.recorder.ondataavailable({ data: "begin " });
  const recording = await recorder.stop();
  recorder.frameDrawn();

  assert.equal(painted, 2, "the frame that was shown at the start, and the one after it");
  assert.equal(await recording.text(), "begin end");
  assert.equal(recorder.isRecording, false);
});

test("a second recording contains nothing of the first", async () => {
  const recorder = new Recorder(() => {});
  recorder.start();
  await recorder.stop();
  recorder.start();

  assert.equal(await (await recorder.stop()).text(), "end");
});
