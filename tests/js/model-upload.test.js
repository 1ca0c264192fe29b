import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { uploadAndStart } from "../../model_library/static/model_library/model-upload.js";
import { FakeXHR } from "./fake-xhr.js";
import { settled } from "./fake-page.js";

const { fetch } = globalThis;
const FILES = [new File(["012345"], "net.xml"), new File(["01"], "net.bin")];
const JOB = {
  state: "uploading",
  url: "/api/model-jobs/1/",
  files: [
    { name: "net.xml", url: "/api/model-jobs/1/files/0/" },
    { name: "net.bin", url: "/api/model-jobs/1/files/1/" },
  ],
};

afterEach(() => {
  globalThis.fetch = fetch;
});

/**
 * Upload `FILES` to a server that answers all other requests with the job, unless `answer` knows
 * another response.
 */
function start(
  t,
  { former = null, answers = { name: "zoo" }, labelledSet, answer = async () => null } = {},
) {
  FakeXHR.install(t);
  const requests = [];
  const cancelling = new AbortController();
  globalThis.fetch = async (url, { method, body }) => {
    requests.push([method, url, body && JSON.parse(body)]);
    const special = await answer(method, url, requests.length);
    if (special) return special;
    return method === "DELETE" ? new Response(null, { status: 204 }) : Response.json(JOB);
  };
  const steps = [];
  const sending = uploadAndStart(FILES, {
    api: "/api/model-jobs/",
    kind: "add",
    model: "",
    answers,
    labelledSet,
    chunkBytes: 4,
    signal: cancelling.signal,
    former,
    announced: () => {},
    progress: (step, share, name) => steps.push([step, share, name]),
  });
  return { sending, requests, steps, cancelling };
}

/** Accept the chunk that is being sent. */
async function accept() {
  await settled();
  const { headers, body } = FakeXHR.last;
  const offset = Number(headers["Upload-Offset"]) + body.size;
  FakeXHR.last.responds(204, { headers: { "Upload-Offset": String(offset) } });
  await settled();
}

test("files are announced, sent one after the other in chunks, and the job is started", async (t) => {
  const { sending, requests } = start(t);
  for (let chunk = 0; chunk < 3; chunk += 1) await accept();

  assert.deepEqual(await sending, JOB);
  const files = [
    { name: "net.xml", size_bytes: 6, is_labelled_set: false },
    { name: "net.bin", size_bytes: 2, is_labelled_set: false },
  ];
  const answers = { name: "zoo" };
  assert.deepEqual(requests, [
    ["POST", "/api/model-jobs/", { kind: "add", model: "", files, answers }],
    ["POST", "/api/model-jobs/1/start/", { name: "zoo" }],
  ]);
  const sent = FakeXHR.all.map(({ url, headers }) => [url.at(-2), headers["Upload-Offset"]]);
  assert.deepEqual(sent, [
    ["0", "0"],
    ["0", "4"],
    ["1", "0"],
  ]);
});

test("the archive of labelled pictures is announced as such", async (t) => {
  const { requests } = start(t, { labelledSet: FILES[1] });
  await settled();

  const [[, , { files }]] = requests;
  assert.deepEqual(files.map((file) => file.is_labelled_set), [false, true]);
});

test("answers that were taken back are said to be empty", async (t) => {
  const { sending, requests } = start(t, { answers: {} });
  for (let chunk = 0; chunk < 3; chunk += 1) await accept();
  await sending;

  assert.deepEqual(requests.at(-1), ["POST", "/api/model-jobs/1/start/", { name: "" }]);
});

test("the progress names the file", async (t) => {
  const { steps } = start(t);
  await settled();
  FakeXHR.last.sends(3, 4);

  assert.deepEqual(steps.at(-1), ["sending", 0.5, "net.xml"]);
});

test("a cancelled upload is deleted on the server", async (t) => {
  const { sending, requests, cancelling } = start(t);
  await settled();

  cancelling.abort();

  await assert.rejects(sending, { name: "AbortError" });
  assert.deepEqual(requests.at(-1), ["DELETE", "/api/model-jobs/1/", undefined]);
});

test("an upload that is refused stays on the server, and the reason is passed on", async (t) => {
  const { sending, requests } = start(t);
  await settled();
  const body = JSON.stringify({ detail: "The server's storage is full." });

  FakeXHR.last.responds(507, { body });

  await assert.rejects(sending, { message: "The server's storage is full." });
  assert.deepEqual(requests.map(([method]) => method), ["POST"]);
});

test("after refused answers, the files that arrived are not sent again", async (t) => {
  const sizes = { 0: 6, 1: 2 };
  const { sending, requests } = start(t, {
    former: JOB,
    answer: async (method, url) =>
      method === "HEAD" &&
      new Response(null, { headers: { "Upload-Offset": String(sizes[url.at(-2)]) } }),
  });

  assert.deepEqual(await sending, JOB);
  assert.deepEqual(FakeXHR.all, []);
  assert.deepEqual(requests.at(-1), ["POST", "/api/model-jobs/1/start/", { name: "zoo" }]);
  assert.equal(requests.filter(([, url]) => url === "/api/model-jobs/").length, 0);
});

test("a former upload that was cancelled meanwhile is announced anew", async (t) => {
  const { sending, requests } = start(t, {
    former: { ...JOB, url: "/api/model-jobs/0/" },
    answer: async (_, url) => url === "/api/model-jobs/0/" && new Response("{}", { status: 404 }),
  });
  for (let chunk = 0; chunk < 3; chunk += 1) await accept();

  await sending;
  assert.deepEqual(requests[1].slice(0, 2), ["POST", "/api/model-jobs/"]);
});

test("a connection lost at the start is tried again, unless the job was started", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let isStarted = false;
  const running = { ...JOB, state: "running" };
  const { sending, requests, steps } = start(t, {
    answer: async (method, url) => {
      if (url.endsWith("/start/")) {
        isStarted = true;
        throw new TypeError("There was no response.");
      }
      return isStarted && Response.json(running);
    },
  });
  for (let chunk = 0; chunk < 3; chunk += 1) await accept();
  await settled();

  assert.deepEqual(steps.at(-1), ["waiting", 1, "net.bin"]);
  t.mock.timers.tick(500);

  assert.deepEqual(await sending, running);
  assert.deepEqual(requests.at(-1).slice(0, 2), ["GET", "/api/model-jobs/1/"]);
});
