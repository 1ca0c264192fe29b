import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, test } from "node:test";

import { sendVideo } from "../../detect_video/static/detect_video/upload/upload.js";
import { FakeXHR } from "./fake-xhr.js";
import { settled } from "./fake-page.js";

const { fetch } = globalThis;
const FILE = new File(["0123456789"], "clip.mp4");
const FILE_SHA256 = createHash("sha256").update("0123456789").digest("hex");
const sha256Url = new URL("../../static/vendor/noble-hashes/sha2.js", import.meta.url).href;

afterEach(() => {
  globalThis.fetch = fetch;
});

/** Upload `FILE` to a server that answers the request for an upload with `video`. */
function start(t, video, { file = FILE, signal = new AbortController().signal } = {}) {
  FakeXHR.install(t);
  const requests = [];
  globalThis.fetch = async (url, { method, body }) => {
    requests.push([method, url, body && JSON.parse(body)]);
    return Response.json(method === "POST" ? video : { ...video, state: "queued" });
  };
  const steps = [];
  const progress = (step, share) => steps.push([step, share]);
  const sending = sendVideo(file, { api: "/api/", model: "small", chunkBytes: 4, sha256Url, signal, progress });
  return { sending, requests, steps };
}

const UPLOADING = {
  state: "uploading",
  received_bytes: 0,
  urls: { upload: "/api/1/upload/", self: "/api/1/" },
};

/** Wait until a chunk is being sent, which is after the file was hashed. */
async function chunkSent() {
  do await settled();
  while (!FakeXHR.last);
}

/** Accept the chunk that is being sent. */
async function accept() {
  await chunkSent();
  const offset = Number(FakeXHR.last.headers["Upload-Offset"]) + FakeXHR.last.body.size;
  FakeXHR.last.responds(204, { headers: { "Upload-Offset": String(offset) } });
  await settled();
}

test("a file is announced and sent in chunks, and the server's description is returned", async (t) => {
  const { sending, requests, steps } = start(t, UPLOADING);
  for (let chunk = 0; chunk < 3; chunk += 1) await accept();

  assert.equal((await sending).state, "queued");
  assert.deepEqual(requests, [
    ["POST", "/api/", { name: "clip.mp4", size_bytes: 10, sha256: FILE_SHA256, model: "small" }],
    ["GET", "/api/1/", undefined],
  ]);
  const chunks = await Promise.all(FakeXHR.all.map(({ body }) => body.text()));
  assert.deepEqual(chunks, ["0123", "4567", "89"]);
  assert.deepEqual(steps, [["checking", 0]]);
});

test("an interrupted upload resumes at the server's offset", async (t) => {
  const { sending } = start(t, { ...UPLOADING, received_bytes: 8 });
  await accept();

  await sending;

  assert.equal(FakeXHR.all.length, 1);
  assert.equal(FakeXHR.last.headers["Upload-Offset"], "8");
});

test("a file that the server already has is not uploaded", async (t) => {
  const { sending } = start(t, { ...UPLOADING, state: "done" });

  assert.equal((await sending).state, "done");
  assert.equal(FakeXHR.all.length, 0);
});

test("a file is announced with its hash, which is computed in chunks", async (t) => {
  const bytes = new Uint8Array(5 * 2 ** 20).fill(7);
  const file = new File([bytes], "clip.mp4");
  const video = { ...UPLOADING, state: "done" };
  const { sending, requests, steps } = start(t, video, { file });
  await sending;

  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.deepEqual(requests[0][2], { name: "clip.mp4", size_bytes: bytes.length, sha256, model: "small" });
  assert.deepEqual(steps, [["checking", 0], ["checking", 0.8]]);
});

test("a cancelled file is not hashed any further", async (t) => {
  const signal = AbortSignal.abort();
  const { sending, requests } = start(t, UPLOADING, { signal });

  await assert.rejects(sending, { name: "AbortError" });
  assert.deepEqual(requests, []);
});

test("the progress is that of the file, and the last chunk waits for the server", async (t) => {
  const { steps } = start(t, { ...UPLOADING, received_bytes: 8 });
  await chunkSent();
  FakeXHR.last.sends(1, 2);
  FakeXHR.last.sends(2, 2);

  assert.deepEqual(steps, [["checking", 0], ["sending", 0.9], ["reading", 1]]);
});
