import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Link } from "../../detect_camera/static/detect_camera/link.js";

const JPEG = new Uint8Array([0xff, 0xd8]).buffer;

/** The connections that were opened, the newest last. */
let sockets = [];

class FakeWebSocket {
  sent = [];

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(message) {
    this.sent.push(message);
  }

  close() {
    this.onclose({ code: 1000 });
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

/** A link, and what it told: the name of each event with its argument. */
function linkWithLog() {
  const log = [];
  const names = ["ready", "result", "lost", "problem", "ended", "broken"];
  const events = names.map((name) => [name, (first) => log.push([name, first])]);
  return { link: new Link("ws://here/", Object.fromEntries(events)), log };
}

beforeEach(() => {
  sockets = [];
  globalThis.WebSocket = FakeWebSocket;
});

afterEach(() => {
  delete globalThis.WebSocket;
});

test("an answer frees its frame and is told", () => {
  const { link, log } = linkWithLog();
  sockets[0].say({ type: "ready" });
  const first = link.send(JPEG, 1);
  const second = link.send(JPEG, 2);

  sockets[0].say({ type: "result", seq: first });
  link.close();

  assert.equal(sockets[0].sent.length, 2);
  assert.deepEqual(log, [["ready", undefined], ["result", first], ["lost", second]]);
});

test("a frame that the server refuses is lost, and its reason told", () => {
  const { link, log } = linkWithLog();
  const sequence = link.send(JPEG, 1);

  sockets[0].say({ type: "error", seq: sequence, detail: "too large" });

  assert.deepEqual(log, [["lost", sequence], ["problem", "too large"]]);
  assert.equal(link.underWay.size, 0);
});

test("a frame without an answer does not hold its place for ever", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { link, log } = linkWithLog();
  const sequence = link.send(JPEG, 1);

  t.mock.timers.tick(5000);

  assert.deepEqual(log, [["lost", sequence]]);
  assert.equal(link.underWay.size, 0);
});

test("a broken connection is renewed, later each time until one is ready", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { link, log } = linkWithLog();
  sockets[0].say({ type: "ready" });
  sockets[0].onclose({ code: 1006 });
  assert.equal(link.isReady, false);
  assert.deepEqual(log.at(-1), ["broken", undefined]);

  t.mock.timers.tick(500);
  assert.equal(sockets.length, 2);
  sockets[1].onclose({ code: 1006 });
  t.mock.timers.tick(999);
  assert.equal(sockets.length, 2);
  t.mock.timers.tick(1);
  assert.equal(sockets.length, 3);
  sockets[2].say({ type: "ready" });
  sockets[2].onclose({ code: 1006 });
  t.mock.timers.tick(500);

  assert.equal(sockets.length, 4);
});

test("who was signed out is told, and no connection is tried any more", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { log } = linkWithLog();

  sockets[0].onclose({ code: 4401 });
  t.mock.timers.tick(60_000);

  assert.deepEqual(log, [["ended", undefined]]);
  assert.equal(sockets.length, 1);
});

test("a link that was closed is not renewed", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { link } = linkWithLog();

  link.close();
  t.mock.timers.tick(60_000);

  assert.equal(sockets.length, 1);
});
