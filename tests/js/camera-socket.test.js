import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { CameraSocket } from "../../detect_camera/static/detect_camera/camera-socket.js";
import { FakeWebSocket } from "./fake-websocket.js";

const JPEG = new Uint8Array([0xff, 0xd8]).buffer;

beforeEach((t) => {
  FakeWebSocket.install(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
});

/** A connected camera's socket, its connection, and the log of its events with their arguments. */
function readySocket() {
  const { socket, log } = socketWithLog();
  const connection = FakeWebSocket.last;
  connection.serverOpens();
  connection.serverSends({ type: "ready", frames_in_work: 2 });
  log.length = 0;
  return { socket, connection, log };
}

function socketWithLog() {
  const log = [];
  const names = ["loading", "ready", "result", "lost", "problem", "signedOut", "disconnected"];
  const events = names.map((name) => [name, (...values) => log.push([name, ...values])]);
  return { socket: new CameraSocket("/ws/camera/", Object.fromEntries(events)), log };
}

test("frames may be sent once the server is ready, not when the connection opens", () => {
  const { socket, log } = socketWithLog();
  FakeWebSocket.last.serverOpens();
  assert.equal(socket.isReady, false);

  FakeWebSocket.last.serverSends({ type: "ready", frames_in_work: 2 });

  assert.equal(socket.isReady, true);
  assert.deepEqual(log, [["ready"]]);
});

test("a server that loads its model is waited for", () => {
  const { socket, log } = socketWithLog();
  FakeWebSocket.last.serverOpens();

  FakeWebSocket.last.serverSends({ type: "loading", code: "model_loading", detail: "small is loading" });

  assert.equal(socket.isReady, false);
  assert.deepEqual(log, [["loading"]]);
});

test("a frame that came while the model was replaced is lost without an error message", () => {
  const { socket, connection, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  connection.serverSends({ type: "error", seq: sequence, code: "model_loading", detail: "loading" });

  assert.deepEqual(log, [["lost", sequence], ["loading"]]);
});

test("results are matched to frames by sequence number, in any order", () => {
  const { socket, connection, log } = readySocket();
  const first = socket.send(JPEG, 1);
  const second = socket.send(JPEG, 2);
  assert.equal(socket.inFlight, 2);
  const [early, late] = [second, first].map((seq) => ({ type: "result", seq, server_ms: 3 }));

  connection.serverSends(early);
  connection.serverSends(late);

  assert.equal(connection.sent.length, 2);
  assert.equal(socket.inFlight, 0);
  assert.deepEqual(log, [["result", second, early], ["result", first, late]]);
});

test("sequence numbers continue on the next connection", () => {
  const { socket } = readySocket();
  const before = socket.send(JPEG, 1);
  socket.close();

  const after = readySocket().socket.send(JPEG, 2);

  assert.equal(after, before + 1);
});

test("a frame that the server rejects is lost, and the reason is reported", () => {
  const { socket, connection, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  connection.serverSends({ type: "error", seq: sequence, detail: "too large" });

  assert.deepEqual(log, [["lost", sequence], ["problem", "too large"]]);
  assert.equal(socket.inFlight, 0);
});

test("a frame that a busy server drops is lost without an error message", () => {
  const { socket, connection, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  connection.serverSends({ type: "dropped", seq: sequence });

  assert.deepEqual(log, [["lost", sequence]]);
});

test("a frame without an answer is lost after five seconds", (t) => {
  const { socket, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  t.mock.timers.tick(4999);
  assert.equal(socket.inFlight, 1);
  t.mock.timers.tick(1);

  assert.deepEqual(log, [["lost", sequence]]);
  assert.equal(socket.inFlight, 0);
});

test("an answered frame is not lost later", (t) => {
  const { socket, connection, log } = readySocket();
  const sequence = socket.send(JPEG, 1);
  connection.serverSends({ type: "result", seq: sequence });
  log.length = 0;

  t.mock.timers.tick(60_000);
  connection.serverSends({ type: "dropped", seq: sequence });

  assert.deepEqual(log, []);
});

test("frames in flight are lost with their connection", () => {
  const { socket, connection, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  connection.serverCloses(1006);

  assert.deepEqual(log, [["lost", sequence], ["disconnected"]]);
  assert.equal(socket.isReady, false);
});

test("a lost connection is replaced, and the new one waits until the server is ready", (t) => {
  const { socket, connection, log } = readySocket();
  connection.serverCloses(1006);
  t.mock.timers.tick(500);

  FakeWebSocket.last.serverOpens();
  assert.equal(socket.isReady, false);
  FakeWebSocket.last.serverSends({ type: "ready", frames_in_work: 2 });

  assert.equal(FakeWebSocket.all.length, 2);
  assert.equal(socket.isReady, true);
  assert.deepEqual(log, [["disconnected"], ["ready"]]);
});

test("the retry delay is reset once the server is ready, not when it only accepts the connection", (t) => {
  const { connection } = readySocket();
  connection.serverCloses(1006);
  t.mock.timers.tick(500);
  FakeWebSocket.last.serverOpens();
  FakeWebSocket.last.serverCloses(1006);
  t.mock.timers.tick(500);
  assert.equal(FakeWebSocket.all.length, 2);
  t.mock.timers.tick(500);
  assert.equal(FakeWebSocket.all.length, 3);

  FakeWebSocket.last.serverSends({ type: "ready" });
  FakeWebSocket.last.serverCloses(1006);
  t.mock.timers.tick(500);

  assert.equal(FakeWebSocket.all.length, 4);
});

test("a server with too many cameras shows the reason, and the connection is retried", (t) => {
  const { log } = socketWithLog();
  FakeWebSocket.last.serverSends({ type: "error", detail: "Too many cameras are open." });
  FakeWebSocket.last.serverCloses(4429);

  t.mock.timers.tick(500);

  assert.deepEqual(log, [["problem", "Too many cameras are open."], ["disconnected"]]);
  assert.equal(FakeWebSocket.all.length, 2);
});

test("a connection that was closed as idle is replaced", (t) => {
  const { connection, log } = readySocket();

  connection.serverSends({ type: "error", detail: "No frame came for 60 seconds." });
  connection.serverCloses(4408);
  t.mock.timers.tick(500);

  assert.deepEqual(log, [["problem", "No frame came for 60 seconds."], ["disconnected"]]);
  assert.equal(FakeWebSocket.all.length, 2);
});

test("after a sign-out, no connection is opened", (t) => {
  const { connection, log } = readySocket();

  connection.serverSends({ type: "error", detail: "You were signed out." });
  connection.serverCloses(4401);
  t.mock.timers.tick(60_000);

  assert.deepEqual(log, [["problem", "You were signed out."], ["signedOut"]]);
  assert.equal(FakeWebSocket.all.length, 1);
});

test("a socket closed by the page loses its frames and does not reconnect", (t) => {
  const { socket, log } = readySocket();
  const sequence = socket.send(JPEG, 1);

  socket.close();
  t.mock.timers.tick(60_000);

  assert.deepEqual(log, [["lost", sequence]]);
  assert.equal(socket.isReady, false);
  assert.equal(FakeWebSocket.all.length, 1);
});
