import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { VideoSocket } from "../../detect_video/static/detect_video/player/video-socket.js";
import { FakeWebSocket } from "./fake-websocket.js";

beforeEach((t) => {
  FakeWebSocket.install(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
});

/** A video's socket with what it received, and which failures it reported. */
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

function messagesOf({ sent }) {
  return sent.map((text) => JSON.parse(text));
}

test("every connection begins with the current start message", (t) => {
  const { received } = socketWithLog();
  FakeWebSocket.all[0].serverOpens();
  const picture = new ArrayBuffer(4);
  FakeWebSocket.all[0].serverSends({ type: "info" });
  FakeWebSocket.all[0].serverSends(picture);
  FakeWebSocket.all[0].serverCloses(1006);
  t.mock.timers.tick(500);
  FakeWebSocket.all[1].serverOpens();

  assert.equal(FakeWebSocket.all[0].url, "wss://here/ws/videos/1/");
  assert.deepEqual(messagesOf(FakeWebSocket.all[0]), [{ type: "start", from: 0 }]);
  assert.deepEqual(received, [{ type: "info" }, picture]);
  assert.deepEqual(messagesOf(FakeWebSocket.all[1]), [{ type: "start", from: 2 }]);
});

test("messages without a connection are dropped", () => {
  const { socket } = socketWithLog();
  socket.send({ type: "credit", n: 1 });
  FakeWebSocket.all[0].serverOpens();
  socket.send({ type: "credit", n: 2 });

  assert.deepEqual(messagesOf(FakeWebSocket.all[0]).slice(1), [{ type: "credit", n: 2 }]);
});

test("a lost connection is reported until another one receives a message", (t) => {
  const { failures } = socketWithLog();
  FakeWebSocket.all[0].serverCloses(1006);
  t.mock.timers.tick(500);
  FakeWebSocket.all[1].serverCloses(1006);
  t.mock.timers.tick(999);
  assert.equal(FakeWebSocket.all.length, 2);
  t.mock.timers.tick(1);
  FakeWebSocket.all[2].serverOpens();
  assert.deepEqual(failures, ["lost", "lost"]);

  FakeWebSocket.all[2].serverSends({ type: "info" });

  assert.deepEqual(failures, ["lost", "lost", ""]);
});

test("a rejection is reported with the server's message and not retried", (t) => {
  const { failures } = socketWithLog();
  FakeWebSocket.all[0].serverSends({ type: "error", detail: "The video was deleted." });
  FakeWebSocket.all[0].serverCloses(4404);
  t.mock.timers.tick(60_000);

  assert.deepEqual(failures, ["The video was deleted."]);
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a connection above the limit is retried", (t) => {
  socketWithLog();
  FakeWebSocket.all[0].serverCloses(4429);
  t.mock.timers.tick(500);

  assert.equal(FakeWebSocket.all.length, 2);
});

test("waiting for the server's memory is reported until it sends a frame", () => {
  const { failures, received } = socketWithLog();
  FakeWebSocket.all[0].serverOpens();

  FakeWebSocket.all[0].serverSends({ type: "waiting", detail: "Others watch." });
  FakeWebSocket.all[0].serverSends({ type: "info" });
  assert.deepEqual(failures, ["Others watch."]);
  FakeWebSocket.all[0].serverSends(new ArrayBuffer(8));

  assert.deepEqual(failures, ["Others watch.", ""]);
  assert.equal(received.length, 2);
});

test("a connection that was closed as idle is replaced when the user is back, without an error", () => {
  globalThis.document = new EventTarget();
  const { failures } = socketWithLog();
  FakeWebSocket.all[0].serverOpens();
  FakeWebSocket.all[0].serverSends({ type: "error", detail: "Nothing was sent." });
  FakeWebSocket.all[0].serverCloses(4408);
  assert.equal(FakeWebSocket.all.length, 1);

  document.dispatchEvent(new Event("keydown"));
  document.dispatchEvent(new Event("pointerdown"));
  FakeWebSocket.all[1].serverOpens();

  assert.equal(FakeWebSocket.all.length, 2);
  assert.equal(FakeWebSocket.all[1].sent.length, 1);
  assert.deepEqual(failures, []);
  delete globalThis.document;
});

test("a new connection does not repeat the error of the previous one", (t) => {
  const { failures } = socketWithLog();
  FakeWebSocket.all[0].serverSends({ type: "error", detail: "Too many viewers." });
  FakeWebSocket.all[0].serverCloses(4429);
  t.mock.timers.tick(500);

  FakeWebSocket.all[1].serverCloses(1006);

  assert.deepEqual(failures, ["Too many viewers.", "lost"]);
});

test("the connection is retried after a server error or restart", (t) => {
  socketWithLog();
  FakeWebSocket.all[0].serverCloses(4503);
  t.mock.timers.tick(500);
  FakeWebSocket.all[1].serverCloses(1012);
  t.mock.timers.tick(1000);

  assert.equal(FakeWebSocket.all.length, 3);
});
