import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeElement, fakePage, load, settled } from "./fake-page.js";
import { FakeWebSocket } from "./fake-websocket.js";

const TEXTS = {
  play: "start pause play",
  status: "off starting loading live paused reconnecting",
  error: "insecure denied none inUse failed unreadable ended unreachable hidden",
  record: "record stop",
  "as-avi": "label busy",
  sample: "label camera url",
};

beforeEach((t) => t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] }));

/** A camera that opens once the test grants permission. */
class FakeCamera {
  isOn = true;
  track = Object.assign(new EventTarget(), {
    stop: () => (this.isOn = false),
    getSettings: () => ({ deviceId: this.deviceId }),
  });

  constructor({ deviceId = "front" }) {
    this.deviceId = deviceId;
  }

  getTracks() {
    return [this.track];
  }

  getVideoTracks() {
    return [this.track];
  }

  isTakenAway() {
    this.track.dispatchEvent(new Event("ended"));
  }
}

/** A stream without tracks. */
class FakeStream {
  getTracks() {
    return [];
  }

  getVideoTracks() {
    return [];
  }
}

/** A browser with two cameras; `requests` are those for permission. */
class FakeCameras {
  requests = [];
  devices = [];
  opened = [];

  async enumerateDevices() {
    return [{ kind: "audioinput", deviceId: "microphone" }, ...this.devices];
  }

  getUserMedia({ video }) {
    return new Promise((resolve, reject) => this.requests.push({ video, resolve, reject }));
  }

  async allow() {
    const { video, resolve } = this.requests.at(-1);
    this.devices = [
      { kind: "videoinput", deviceId: "front", label: "Front" },
      { kind: "videoinput", deviceId: "rear", label: "" },
    ];
    this.opened.push(new FakeCamera(video));
    resolve(this.opened.at(-1));
    await settled();
  }

  async refuse(name) {
    this.requests.at(-1).reject(new DOMException("no", name));
    await settled();
  }
}

/** The page after loading. */
async function openPage(t, { isSecureContext = true, globals = {}, ...options } = {}) {
  FakeWebSocket.install(t);
  const cameras = new FakeCameras();
  const bitmaps = { open: 0, isReadable: true };
  const page = fakePage(t, {
    texts: TEXTS,
    globals: {
      isSecureContext,
      navigator: { mediaDevices: cameras },
      MediaStream: FakeStream,
      createImageBitmap: async () => {
        if (!bitmaps.isReadable) throw new DOMException("no frame", "InvalidStateError");
        bitmaps.open += 1;
        return { width: 64, height: 48, close: () => (bitmaps.open -= 1) };
      },
      ...globals,
    },
    ...options,
  });
  const { element } = page;
  Object.assign(element("camera-page").dataset, { socket: "/ws/camera/", avi: "/api/avi/" });
  Object.assign(element("resolution"), { value: "640" });
  Object.assign(element("quality"), { value: "auto" });
  Object.assign(element("threshold"), { value: "0.35" });
  element("camera").append(new Option("Camera", ""), new Option("Sample clip", "sample"));
  element("camera-page").querySelector("#model").value = "small";
  let frameArrives = () => {};
  const video = Object.assign(element("video"), {
    videoWidth: 640,
    videoHeight: 480,
    play: async () => {},
    requestVideoFrameCallback: (use) => (frameArrives = use),
  });
  await load("detect_camera/static/detect_camera/camera-page.js");
  await settled();

  return {
    ...page,
    cameras,
    bitmaps,
    video,
    state: () => element("camera-page").dataset.state,
    shownFrames: () => Number(element("camera-page").dataset.frames ?? 0),
    play: () => element("play").click(),
    /** The camera has a new frame. */
    async frame() {
      frameArrives();
      await settled();
    },
    /** Press a key. Returns whether the page handles it. */
    async key(key, { target = new FakeElement("body"), ...values } = {}) {
      const event = Object.assign(new Event("keydown", { cancelable: true }), { key, ...values });
      Object.defineProperty(event, "target", { value: target });
      document.dispatchEvent(event);
      await settled();
      return event.defaultPrevented;
    },
  };
}

/** A page whose camera is live, connected to a server that is ready. */
async function livePage(t, options) {
  const page = await openPage(t, options);
  page.play();
  await page.cameras.allow();
  serverIsReady();
  return page;
}

function serverIsReady() {
  FakeWebSocket.last.serverOpens();
  FakeWebSocket.last.serverSends({ type: "ready", frames_in_work: 2 });
}

/** The sequence numbers of the frames that were sent on the newest connection. */
function sentFrames() {
  return FakeWebSocket.last.sent.map((message) => new DataView(message).getUint32(4, true));
}

function resultOf(seq) {
  return {
    type: "result",
    seq,
    model: "small",
    image: { width: 64, height: 48 },
    detections: [{ box: [1, 2, 3, 4], class_id: 16, class_name: "dog", score: 0.9 }],
    timing_ms: { queue: 1, inference: 20 },
    server_ms: 25,
  };
}

/** Answer the newest frame. */
function answer() {
  FakeWebSocket.last.serverSends(resultOf(sentFrames().at(-1)));
}

test("after loading, the camera is off and no permission is requested", async (t) => {
  const page = await openPage(t);

  assert.equal(page.state(), "off");
  assert.equal(page.text("play"), "start");
  assert.equal(page.element("play").disabled, false);
  assert.equal(page.text("status"), "off");
  assert.equal(page.element("snapshot").disabled, true);
  assert.equal(page.element("record").disabled, true);
  assert.equal(page.cameras.requests.length, 0);
  assert.equal(FakeWebSocket.all.length, 0);
});

test("a page without HTTPS shows an error before it requests the camera", async (t) => {
  const page = await openPage(t, { isSecureContext: false });

  assert.equal(page.text("error"), "insecure");
});

test("while the browser asks for permission, the page is starting and its button does nothing", async (t) => {
  const page = await openPage(t);

  page.play();
  await page.key(" ");

  assert.equal(page.state(), "starting");
  assert.equal(page.element("play").disabled, true);
  assert.equal(page.cameras.requests.length, 1);
});

test("an allowed camera is live and connects with the chosen model", async (t) => {
  const page = await livePage(t);

  assert.equal(page.state(), "live");
  assert.equal(page.text("play"), "pause");
  assert.equal(page.text("status"), "live");
  assert.equal(page.element("live").hidden, false);
  assert.equal(page.element("invitation").hidden, true);
  assert.equal(FakeWebSocket.last.url, "wss://here/ws/camera/?model=small");
});

for (const [name, text] of [
  ["NotAllowedError", "denied"],
  ["NotFoundError", "none"],
  ["NotReadableError", "inUse"],
  ["UnknownError", "failed"],
]) {
  test(`a camera that fails with ${name} leaves the page off, and says why: ${text}`, async (t) => {
    const page = await openPage(t);
    page.play();

    await page.cameras.refuse(name);

    assert.equal(page.text("error"), text);
    assert.equal(page.state(), "off");
    assert.equal(page.element("play").disabled, false);
    assert.equal(FakeWebSocket.all.length, 0);
  });
}

test("a camera that the browser refuses to play is turned off", async (t) => {
  const page = await openPage(t);
  page.video.play = () => Promise.reject(new DOMException("no gesture", "NotAllowedError"));
  page.play();

  await page.cameras.allow();

  assert.equal(page.text("error"), "failed");
  assert.equal(page.state(), "off");
  assert.equal(page.cameras.opened[0].isOn, false);
});

test("another attempt clears the error message", async (t) => {
  const page = await openPage(t);
  page.play();
  await page.cameras.refuse("NotAllowedError");

  page.play();
  assert.equal(page.text("error"), "");
  await page.cameras.allow();

  assert.equal(page.state(), "live");
});

test("if the camera cannot be reopened, the last frame stays on the page", async (t) => {
  const page = await livePage(t);
  await page.frame();
  answer();
  page.play();
  page.play();

  await page.cameras.refuse("NotReadableError");

  assert.equal(page.state(), "paused");
  assert.equal(page.element("snapshot").disabled, false);
});

test("frames wait until the server is ready", async (t) => {
  const page = await openPage(t);
  page.play();
  await page.cameras.allow();
  await page.frame();
  assert.equal(page.bitmaps.open, 0, "nothing is captured in vain");

  serverIsReady();
  await page.frame();

  assert.equal(sentFrames().length, 1);
});

test("while the server loads the model the page says so, and it goes on by itself", async (t) => {
  const page = await openPage(t);
  page.play();
  await page.cameras.allow();
  assert.equal(page.text("status"), "starting");
  FakeWebSocket.last.serverOpens();
  FakeWebSocket.last.serverSends({ type: "loading", detail: "small is loading" });
  await page.frame();

  const [text, timer] = page.element("status").children;
  assert.deepEqual([text, timer.textContent], ["loading ", "0s"]);
  assert.deepEqual([page.state(), page.text("error"), sentFrames()], ["live", "", []]);

  FakeWebSocket.last.serverSends({ type: "ready", frames_in_work: 2 });
  await page.frame();

  assert.equal(page.text("status"), "live");
  assert.equal(sentFrames().length, 1);
});

test("at first one frame is in flight: the next one is sent after its result", async (t) => {
  const page = await livePage(t);
  await page.frame();
  await page.frame();
  assert.equal(sentFrames().length, 1);

  answer();
  await page.frame();

  assert.equal(sentFrames().length, 2);
  assert.equal(page.shownFrames(), 1);
});

test("a result is shown with the model, the frame's size and its timing", async (t) => {
  const page = await livePage(t);
  await page.frame();

  answer();

  assert.equal(page.text("model-name"), "small");
  assert.equal(page.text("frame-size"), "64 × 48 · 70%");
  assert.equal(page.text("queue"), "1 ms");
  assert.equal(page.text("inference"), "20 ms");
  assert.equal(page.text("under-way"), "1");
  assert.equal(page.element("snapshot").disabled, false);
  assert.ok(page.element("frame").drawn.includes("drawImage"));
  assert.ok(page.element("boxes").drawn.includes("strokeRect"));
});

test("a video without a first frame is not captured", async (t) => {
  const page = await livePage(t);
  page.video.videoWidth = 0;
  await page.frame();
  assert.equal(sentFrames().length, 0);

  page.video.videoWidth = 640;
  await page.frame();

  assert.equal(sentFrames().length, 1);
});

test("an outdated result is not shown, and its frame's memory is freed", async (t) => {
  let nowMs = 10_000;
  t.mock.method(performance, "now", () => nowMs);
  const page = await livePage(t);
  await page.frame();
  nowMs += 4000;
  answer();
  for (const _ of [1, 2]) await page.frame();
  const [, first, second] = sentFrames();
  FakeWebSocket.last.serverSends(resultOf(second));

  FakeWebSocket.last.serverSends(resultOf(first));

  assert.equal(page.shownFrames(), 2);
  assert.equal(page.bitmaps.open, 1, "only that of the frame that is shown");
});

test("a result that arrives after the timeout of its frame is not shown", async (t) => {
  const page = await livePage(t);
  await page.frame();
  t.mock.timers.tick(5000);
  assert.equal(page.bitmaps.open, 0);

  answer();

  assert.equal(page.shownFrames(), 0);
});

test("a frame that the server rejects shows the reason, and the next one is sent", async (t) => {
  const page = await livePage(t);
  await page.frame();
  const [seq] = sentFrames();

  FakeWebSocket.last.serverSends({ type: "error", seq, detail: "The picture is broken." });
  await page.frame();

  assert.equal(page.text("error"), "The picture is broken.");
  assert.equal(page.state(), "live");
  assert.equal(sentFrames().length, 2);
  assert.equal(page.bitmaps.open, 1);
});

test("the reason disappears with the next result", async (t) => {
  const page = await livePage(t);
  await page.frame();
  const [seq] = sentFrames();
  FakeWebSocket.last.serverSends({ type: "error", seq, detail: "The cluster does not respond." });
  await page.frame();

  FakeWebSocket.last.serverSends(resultOf(sentFrames().at(-1)));

  assert.equal(page.text("error"), "");
  assert.equal(page.shownFrames(), 1);
});

test("with manual quality, frames have the chosen size and quality; automatic ones adapt to the network", async (t) => {
  let nowMs = 10_000;
  t.mock.method(performance, "now", () => nowMs);
  const page = await livePage(t);
  const { dataset } = page.element("camera-page");
  await page.frame();
  nowMs += 1000;
  answer();
  assert.equal(dataset.side, "640");

  await page.frame();
  answer();
  assert.equal(dataset.side, "416", "one level smaller after a slow frame");

  page.element("quality").value = "0.85";
  page.element("resolution").value = "1280";
  await page.frame();
  answer();
  assert.equal(dataset.side, "1280");
  assert.equal(page.text("frame-size"), "64 × 48 · 85%");
});

test("a pause turns the camera off, disconnects, and leaves the current frame on the page", async (t) => {
  const page = await livePage(t);
  await page.frame();
  answer();
  await page.frame();

  page.play();

  assert.equal(page.state(), "paused");
  assert.equal(page.text("play"), "play");
  assert.equal(page.text("error"), "");
  assert.equal(page.cameras.opened[0].isOn, false);
  assert.equal(page.video.srcObject, null);
  assert.equal(FakeWebSocket.last.readyState, 3);
  assert.equal(page.bitmaps.open, 1, "only that of the frame that is shown");
});

test("play after a pause opens the camera and a new connection", async (t) => {
  const page = await livePage(t);
  await page.frame();
  answer();
  page.play();
  await page.frame();

  page.play();
  await page.cameras.allow();
  serverIsReady();
  await page.frame();
  answer();

  assert.equal(FakeWebSocket.all.length, 2);
  assert.equal(page.state(), "live");
  assert.equal(page.shownFrames(), 2);
});

test("a frame that is captured while the user pauses is not sent", async (t) => {
  const page = await livePage(t);
  const connection = FakeWebSocket.last;
  const capturing = page.frame();
  page.play();
  await capturing;

  assert.equal(connection.sent.length, 0);
  assert.equal(page.bitmaps.open, 0);
});

test("a hidden tab pauses with a message", async (t) => {
  const page = await livePage(t);

  page.document.hidden = true;
  page.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(page.state(), "paused");
  page.document.hidden = false;
  page.document.dispatchEvent(new Event("visibilitychange"));

  assert.equal(page.state(), "paused", "the camera does not turn on by itself");
  assert.equal(page.text("error"), "hidden");
  assert.equal(page.cameras.opened[0].isOn, false);
});

test("a tab that is hidden while the browser asks for permission pauses at once", async (t) => {
  const page = await openPage(t);
  page.play();
  page.document.hidden = true;

  await page.cameras.allow();

  assert.equal(page.state(), "paused");
  assert.equal(page.text("error"), "hidden");
  assert.equal(page.cameras.opened[0].isOn, false);
});

test("a camera that is disconnected pauses the page with a message", async (t) => {
  const page = await livePage(t);

  page.cameras.opened[0].isTakenAway();

  assert.equal(page.state(), "paused");
  assert.equal(page.text("error"), "ended");
});

test("a camera whose frames cannot be read pauses the page, and play tries again", async (t) => {
  t.mock.method(console, "warn", () => {});
  const page = await livePage(t);
  page.bitmaps.isReadable = false;

  await page.frame();
  assert.equal(page.state(), "paused");
  assert.equal(page.text("error"), "unreadable");
  page.bitmaps.isReadable = true;
  page.play();
  await page.cameras.allow();

  assert.equal(page.state(), "live");
  assert.equal(page.text("error"), "");
});

test("a lost connection shows a message, and frames continue on the next one", async (t) => {
  const page = await livePage(t);
  await page.frame();
  FakeWebSocket.last.serverCloses(1006);
  assert.equal(page.text("status"), "reconnecting");
  assert.equal(page.state(), "live");
  assert.equal(page.bitmaps.open, 0);
  await page.frame();

  t.mock.timers.tick(500);
  serverIsReady();
  await page.frame();

  assert.equal(page.text("status"), "live");
  assert.equal(sentFrames().length, 1);
});

test("a busy server's reason is shown until it is ready", async (t) => {
  const page = await openPage(t);
  page.play();
  await page.cameras.allow();
  FakeWebSocket.last.serverOpens();
  FakeWebSocket.last.serverSends({ type: "error", detail: "Too many cameras are open." });
  FakeWebSocket.last.serverCloses(4429);
  assert.equal(page.text("error"), "Too many cameras are open.");
  assert.equal(page.text("status"), "reconnecting");

  t.mock.timers.tick(500);
  serverIsReady();

  assert.equal(page.text("error"), "");
  assert.equal(page.text("status"), "live");
});

test("after a sign-out, the page pauses with the server's message", async (t) => {
  const page = await livePage(t);

  FakeWebSocket.last.serverSends({ type: "error", detail: "You were signed out." });
  FakeWebSocket.last.serverCloses(4401);
  t.mock.timers.tick(60_000);

  assert.equal(page.state(), "paused");
  assert.equal(page.text("error"), "You were signed out.");
  assert.equal(page.cameras.opened[0].isOn, false);
  assert.equal(FakeWebSocket.all.length, 1);
});

test("another camera replaces the first on the same connection", async (t) => {
  const page = await livePage(t);

  page.element("camera").change({ value: "rear" });
  await page.cameras.allow();
  await page.frame();

  const [front, rear] = page.cameras.opened;
  assert.deepEqual([front.isOn, rear.isOn], [false, true]);
  assert.equal(page.cameras.requests.at(-1).video.deviceId, "rear");
  assert.equal(FakeWebSocket.all.length, 1);
  assert.equal(sentFrames().length, 1);
  assert.equal(localStorage.getItem("camera.camera"), "rear");
});

test("switching sides requests the camera on the other side instead of the chosen one", async (t) => {
  const page = await livePage(t, { stored: { "camera.camera": "rear" } });
  assert.equal(page.cameras.requests[0].video.deviceId, "rear");

  page.element("facing").change({ value: "user" });

  const width = { ideal: 640 };
  assert.deepEqual(page.cameras.requests.at(-1).video, { width, facingMode: "user" });
});

test("the sample clip takes the place of a camera that was refused, and says what it is", async (t) => {
  const page = await openPage(t);
  page.play();
  await page.cameras.refuse("NotAllowedError");

  page.element("sample").click();
  await settled();
  serverIsReady();
  await page.frame();

  assert.equal(page.text("error"), "");
  assert.equal(page.state(), "live");
  assert.deepEqual([page.video.src, page.video.loop], ["url", true]);
  assert.equal(page.element("sample-label").hidden, false);
  assert.equal(page.text("sample"), "camera");
  assert.equal(page.cameras.requests.length, 1);
  assert.equal(sentFrames().length, 1);
});

test("from the sample clip one click leads to the camera", async (t) => {
  const page = await openPage(t, { stored: { "camera.camera": "rear" } });
  page.element("sample").click();
  await settled();

  page.element("sample").click();
  await page.cameras.allow();

  assert.equal(page.state(), "live");
  assert.equal(page.cameras.requests.at(-1).video.deviceId, "rear");
  assert.equal(page.element("sample-label").hidden, true);
  assert.equal(page.text("sample"), "label");
});

test("a sample clip that cannot be fetched is explained", async (t) => {
  const page = await openPage(t);
  page.video.play = () => Promise.reject(new DOMException("no source", "NotSupportedError"));

  page.element("sample").click();
  await settled();

  assert.equal(page.text("error"), "unreachable");
  assert.equal(page.state(), "off");
});

test("another model opens another connection", async (t) => {
  const page = await livePage(t);

  page.element("camera-page").querySelector("#model").change({ value: "large" });
  await page.cameras.allow();

  assert.equal(FakeWebSocket.all.length, 2);
  assert.equal(FakeWebSocket.last.url, "wss://here/ws/camera/?model=large");
});

test("changing settings while the camera is off does not turn it on", async (t) => {
  const page = await openPage(t);

  page.element("camera").change({ value: "rear" });
  page.element("resolution").change({ value: "1280" });

  assert.equal(page.state(), "off");
  assert.equal(page.cameras.requests.length, 0);
});

test("the cameras are listed by name once permission is granted, unnamed ones by number", async (t) => {
  const page = await livePage(t);

  const listed = page.element("camera").options.map(({ text, value }) => [text, value]);
  assert.deepEqual(listed, [["Camera", ""], ["Front", "front"], ["Camera 2", "rear"], ["Sample clip", "sample"]]);
});

test("the space bar pauses and plays, unless the focused element uses it", async (t) => {
  const page = await livePage(t);

  assert.equal(await page.key(" ", { target: new FakeElement("button") }), false);
  assert.equal(await page.key(" ", { ctrlKey: true }), false);
  assert.equal(await page.key("x"), false);
  assert.equal(page.state(), "live");
  assert.equal(await page.key(" "), true);
  assert.equal(page.state(), "paused");
  assert.equal(await page.key(" ", { repeat: true }), true, "holding it down must not scroll");
  assert.equal(page.state(), "paused");
});

test("leaving the page turns the camera off", async (t) => {
  const page = await livePage(t);

  page.window.dispatchEvent(new Event("pagehide"));

  assert.equal(page.cameras.opened[0].isOn, false);
  assert.equal(FakeWebSocket.last.readyState, 3);
});

test("the file name of a snapshot is its time", async (t) => {
  const page = await livePage(t);
  await page.frame();
  answer();

  page.element("snapshot").click();
  await settled();

  assert.equal(page.document.downloads.length, 1);
  assert.match(page.document.downloads[0], /^camera-\d{8}-\d{6}\.jpg$/);
});

/** A browser's recorder that writes WebM. */
class FakeMediaRecorder {
  static isTypeSupported = (type) => type === "video/webm";
  mimeType = "video/webm";

  start() {}

  stop() {
    this.ondataavailable({ data: "video" });
    this.onstop();
  }
}

/** A live page with a recording that was just stopped. */
async function recordedPage(t, fetch) {
  FakeElement.prototype.captureStream = () => "stream";
  t.after(() => delete FakeElement.prototype.captureStream);
  const page = await livePage(t, { globals: { MediaRecorder: FakeMediaRecorder, fetch } });
  await page.frame();
  answer();
  page.element("record").click();
  assert.equal(page.text("record"), "stop");
  page.element("record").click();
  await settled();
  return page;
}

test("a browser that cannot record offers no recording", async (t) => {
  const page = await openPage(t);

  assert.equal(page.element("record").hidden, true);
});

test("a recording can be downloaded once it is stopped", async (t) => {
  const page = await recordedPage(t);

  assert.equal(page.text("record"), "record");
  assert.equal(page.element("recorded").hidden, false);
  assert.match(page.element("recording").download, /^camera-\d{8}-\d{6}\.webm$/);
  assert.match(page.element("recording").href, /^blob:/);
});

test("a recording can be stopped after the camera has paused", async (t) => {
  const page = await recordedPage(t);
  page.element("record").click();

  page.play();
  assert.equal(page.element("record").disabled, false);
  page.element("record").click();
  await settled();

  assert.equal(page.element("record").disabled, true);
});

test("the server converts the recording to AVI", async (t) => {
  const sent = [];
  const page = await recordedPage(t, async (url, { method, body }) => {
    sent.push([url, method, await body.get("video").text()]);
    return new Response("avi");
  });

  page.element("as-avi").click();
  assert.equal(page.text("as-avi"), "busy");
  assert.equal(page.element("as-avi").disabled, true);
  await settled();
  await settled();

  assert.deepEqual(sent, [["/api/avi/", "POST", "video"]]);
  assert.match(page.document.downloads[0], /^camera-\d{8}-\d{6}\.avi$/);
  assert.equal(page.text("as-avi"), "label");
  assert.equal(page.element("as-avi").disabled, false);
});

test("an error of the conversion to AVI is shown", async (t) => {
  const responses = [
    async () => new Response('{"detail": "The recording is too long."}', { status: 413 }),
    async () => Promise.reject(new TypeError("Failed to fetch")),
  ];
  const page = await recordedPage(t, () => responses.shift()());

  page.element("as-avi").click();
  await settled();
  await settled();
  assert.equal(page.text("error"), "The recording is too long.");
  page.element("as-avi").click();
  await settled();
  await settled();

  assert.equal(page.text("error"), "unreachable");
  assert.equal(page.element("as-avi").disabled, false);
  assert.deepEqual(page.document.downloads, []);
});
