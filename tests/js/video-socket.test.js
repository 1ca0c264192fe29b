import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { VideoSocket } from "../../detect_video/static/detect_video/socket.js";

/** The connections that were opened, the newest last. */
let sockets = [];

class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(url) {
    super();
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  open() {
    this.readyState = FakeWebSocket.OPEN;
    this.dispatchEvent(new Event("open"));
  }

  say(message) {
    const data = message instanceof ArrayBuffer ? message : JSON.stringify(message);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  end(code) {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}

/** A video's socket, with what it received and which failures it told. */
function socketWithLog() {
  const received = [];
  const failures = [];
  const socket = new VideoSocket("/ws/videos/1/", {
    startMessage: () => ({ type: "start", from: received.length }),
    receive: (message) => received.push(message),
    fail: (detail) => failures.push(detail),
  });
  return { socket, received, failures };
}

beforeEach(() => {
  sockets = [];
  globalThis.WebSocket = FakeWebSocket;
  globalThis.location = { origin: "https://here" };
});

afterEach(() => {
  delete globalThis.WebSocket;
  delete globalThis.location;
});

test("every connection begins with the start message of its moment", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { received } = socketWithLog();
  sockets[0].open();
  const picture = new ArrayBuffer(4);
  sockets[0].say({ type: "info" });
  sockets[0].say(picture);
  sockets[0].end(1006);
  t.mock.timers.tick(500);
  sockets[1].open();

  assert.equal(sockets[0].url, "wss://here/ws/videos/1/");
  assert.deepEqual(sockets[0].sent, [{ type: "start", from: 0 }]);
  assert.deepEqual(received, [{ type: "info" }, picture]);
  assert.deepEqual(sockets[1].sent, [{ type: "start", from: 2 }]);
});

test("what is sent without a connection is left out", () => {
  const { socket } = socketWithLog();
  socket.send({ type: "credit", n: 1 });
  sockets[0].open();
  socket.send({ type: "credit", n: 2 });

  assert.deepEqual(sockets[0].sent.slice(1), [{ type: "credit", n: 2 }]);
});

test("a lost connection is told until another one answers, and is tried less and less often", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { failures } = socketWithLog();
  sockets[0].end(1006);
  t.mock.timers.tick(500);
  sockets[1].end(1006);
  t.mock.timers.tick(999);
  assert.equal(sockets.length, 2);
  t.mock.timers.tick(1);
  sockets[2].open();
  assert.deepEqual(failures, ["lost", "lost"]);

  sockets[2].say({ type: "info" });

  assert.deepEqual(failures, ["lost", "lost", ""]);
});

test("a refusal is told in the server's words and not asked for again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { failures } = socketWithLog();
  sockets[0].say({ type: "error", detail: "The video was deleted." });
  sockets[0].end(4404);
  t.mock.timers.tick(60_000);

  assert.deepEqual(failures, ["The video was deleted."]);
  assert.equal(sockets.length, 1);
});

test("one of too many connections is tried again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socketWithLog();
  sockets[0].end(4429);
  t.mock.timers.tick(500);

  assert.equal(sockets.length, 2);
});

test("who waits for memory is told so until a picture comes", () => {
  const { failures, received } = socketWithLog();
  sockets[0].open();

  sockets[0].say({ type: "waiting", detail: "Others watch." });
  sockets[0].say({ type: "info" });
  assert.deepEqual(failures, ["Others watch."]);
  sockets[0].say(new ArrayBuffer(8));

  assert.deepEqual(failures, ["Others watch.", ""]);
  assert.equal(received.length, 2);
});

test("a connection that was idle is renewed when somebody is back, and without complaint", () => {
  globalThis.document = new EventTarget();
  const { failures } = socketWithLog();
  sockets[0].open();
  sockets[0].say({ type: "error", detail: "Nothing was sent." });
  sockets[0].end(4408);
  assert.equal(sockets.length, 1);

  document.dispatchEvent(new Event("keydown"));
  document.dispatchEvent(new Event("pointerdown"));
  sockets[1].open();

  assert.equal(sockets.length, 2);
  assert.equal(sockets[1].sent.length, 1);
  assert.deepEqual(failures, []);
  delete globalThis.document;
});
