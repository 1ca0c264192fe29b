import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ReconnectingSocket } from "../../static/js/requests/reconnecting-socket.js";
import { FakeWebSocket } from "./fake-websocket.js";

beforeEach((t) => {
  FakeWebSocket.install(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
});

/** A socket with the log of its events; `reconnects` is the return value of `closed`. */
function socketWithLog({ reconnects = true } = {}) {
  const log = [];
  const socket = new ReconnectingSocket("/ws/somewhere/", {
    opened: () => log.push("opened"),
    received: (data) => log.push(data),
    closed: (code) => {
      log.push(code);
      return reconnects;
    },
  });
  return { socket, log };
}

/** Let every new connection fail, and return the waiting times before the next ones. */
function waitsBetween(t, count) {
  return Array.from({ length: count }, () => {
    const before = FakeWebSocket.all.length;
    FakeWebSocket.last.serverCloses(1006);
    let waitedMs = 0;
    while (FakeWebSocket.all.length === before) {
      t.mock.timers.tick(500);
      waitedMs += 500;
    }
    return waitedMs;
  });
}

test("the socket is secure if the page is", () => {
  socketWithLog();
  globalThis.location = { origin: "http://localhost:8000" };
  socketWithLog();

  const urls = FakeWebSocket.all.map(({ url }) => url);
  assert.deepEqual(urls, ["wss://here/ws/somewhere/", "ws://localhost:8000/ws/somewhere/"]);
});

test("a lost connection is replaced after a delay that doubles up to eight seconds", (t) => {
  socketWithLog();

  assert.deepEqual(waitsBetween(t, 6), [500, 1000, 2000, 4000, 8000, 8000]);
});

test("after a successful connection, the delay is short again", (t) => {
  const { socket } = socketWithLog();
  assert.equal(socket.isRetrying, false);
  waitsBetween(t, 3);
  assert.equal(socket.isRetrying, true);

  socket.settle();

  assert.equal(socket.isRetrying, false);
  assert.deepEqual(waitsBetween(t, 2), [500, 1000]);
});

test("without a retry there is no new connection until one is requested", (t) => {
  const { socket, log } = socketWithLog({ reconnects: false });

  FakeWebSocket.last.serverCloses(4401);
  t.mock.timers.tick(60_000);
  assert.equal(FakeWebSocket.all.length, 1);
  socket.connect();
  FakeWebSocket.last.serverOpens();

  assert.deepEqual(log, [4401, "opened"]);
});

test("a closed socket opens no connection, not even a pending one", (t) => {
  const { socket } = socketWithLog();
  FakeWebSocket.last.serverCloses(1006);

  socket.close();
  t.mock.timers.tick(60_000);

  assert.equal(FakeWebSocket.all.length, 1);
});

test("a closed socket fires no events, not even pending ones", () => {
  const { socket, log } = socketWithLog();

  socket.close();
  FakeWebSocket.last.serverOpens();
  FakeWebSocket.last.serverSends({ type: "late" });

  assert.deepEqual(log, []);
});

test("data is sent on an open connection and dropped otherwise", () => {
  const { socket } = socketWithLog();

  socket.send("before");
  FakeWebSocket.last.serverOpens();
  socket.send("while open");
  FakeWebSocket.last.serverCloses(1006);
  socket.send("after");

  assert.deepEqual(FakeWebSocket.last.sent, ["while open"]);
});
