import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { UploadRequests } from "../../static/js/requests/upload-requests.js";
import { FakeXHR } from "./fake-xhr.js";

const { fetch } = globalThis;
const CHUNK = new Blob(["0123"]);

afterEach(() => {
  globalThis.fetch = fetch;
});

function requestsWith(leaving = new AbortController()) {
  return new UploadRequests("/api/videos/1/upload/", leaving.signal);
}

/** The result of `patch` for a response of the server. */
async function patched(status, response) {
  const patching = requestsWith().patch(CHUNK, 4, () => {});
  FakeXHR.last.responds(status, response);
  return patching;
}

test("a chunk is sent with its offset, and the response says where to continue", async (t) => {
  FakeXHR.install(t);
  const sent = [];
  const patching = requestsWith().patch(CHUNK, 4, (bytes) => sent.push(bytes));
  FakeXHR.last.sends(3, 4);
  FakeXHR.last.responds(204, { headers: { "Upload-Offset": "8" } });

  assert.deepEqual(await patching, { accepted: true, offset: 8 });
  const { method, url, headers, body } = FakeXHR.last;
  assert.deepEqual([method, url, body], ["PATCH", "/api/videos/1/upload/", CHUNK]);
  assert.equal(headers["Upload-Offset"], "4");
  assert.equal(headers["Content-Type"], "application/offset+octet-stream");
  assert.deepEqual(sent, [3]);
});

test("a server with another offset states the one it expects", async (t) => {
  FakeXHR.install(t);
  const answer = await patched(409, { headers: { "Upload-Offset": "2" }, body: { detail: "?" } });

  assert.deepEqual(answer, { accepted: false, offset: 2 });
});

test("no response, a busy server and a failed proxy are temporary", async (t) => {
  FakeXHR.install(t);
  const later = { accepted: false, offset: null };

  assert.deepEqual(await patched(undefined), later);
  for (const status of [429, 502, 503, 504]) assert.deepEqual(await patched(status), later);
  assert.deepEqual(await patched(507, { headers: { "Retry-After": "60" } }), later);
});

test("a rejected file throws the server's problem", async (t) => {
  FakeXHR.install(t);

  await assert.rejects(patched(415, { body: { detail: "This is no video." } }), {
    message: "This is no video.",
  });
});

test("a cancelled chunk is not retried", async (t) => {
  FakeXHR.install(t);
  const leaving = new AbortController();
  const patching = requestsWith(leaving).patch(CHUNK, 0, () => {});

  leaving.abort();

  await assert.rejects(patching, { name: "AbortError" });
});

test("the server returns the number of bytes received", async () => {
  const asked = [];
  globalThis.fetch = async (url, { method, cache }) => {
    asked.push([url, method, cache]);
    return new Response(null, { headers: { "Upload-Offset": "4096" } });
  };

  assert.equal(await requestsWith().receivedBytes(), 4096);
  assert.deepEqual(asked, [["/api/videos/1/upload/", "HEAD", "no-store"]]);
});

test("the number of bytes received is unknown if the server is unreachable or a proxy responds", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  assert.equal(await requestsWith().receivedBytes(), null);

  globalThis.fetch = async () => new Response("<html>", { status: 502 });
  assert.equal(await requestsWith().receivedBytes(), null);
});

test("a cancelled upload does not request the offset", async () => {
  const leaving = new AbortController();
  globalThis.fetch = async () => {
    leaving.abort();
    throw leaving.signal.reason;
  };

  await assert.rejects(requestsWith(leaving).receivedBytes(), { name: "AbortError" });
});
