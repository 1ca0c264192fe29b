import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import {
  Problem,
  csrfToken,
  failureText,
  post,
  problemText,
  requestJson,
  upload,
} from "../../static/js/requests/api.js";
import { FakeXHR } from "./fake-xhr.js";

const { fetch } = globalThis;
const { signal } = new AbortController();

afterEach(() => {
  globalThis.fetch = fetch;
  delete globalThis.document;
});

/** Replace `fetch` by one that returns `response`; returns its requests. */
function fakeFetch(response, cookie = "") {
  const requests = [];
  globalThis.document = { cookie };
  globalThis.fetch = async (url, options) => {
    requests.push({ url, ...options });
    if (response instanceof Error) throw response;
    return response;
  };
  return requests;
}

test("the token is found among other cookies, and is empty without one", () => {
  assert.equal(csrfToken("a=1; csrftoken=abc; b=2"), "abc");
  assert.equal(csrfToken("xcsrftoken=abc"), "");
  assert.equal(csrfToken(""), "");
});

test("the message of a problem is its detail", async () => {
  const response = new Response(JSON.stringify({ detail: "The picture is empty." }));
  assert.equal(await problemText(response), "The picture is empty.");
});

test("the message of any other error response is its status", async () => {
  for (const body of ["<html>", "{}", ""]) {
    const response = new Response(body, { status: 502, statusText: "Bad Gateway" });
    assert.equal(await problemText(response), "HTTP 502 Bad Gateway");
  }
});

test("a failure shows the server's message, or else that the server is unreachable", () => {
  assert.equal(failureText(new Problem("Too large."), "No connection."), "Too large.");
  assert.equal(failureText(new TypeError("Failed to fetch"), "No connection."), "No connection.");
});

test("an upload reports its progress and returns the response with its headers", async (t) => {
  FakeXHR.install(t, "csrftoken=abc");
  const shares = [];
  const sending = upload("/there", "body", {
    method: "PATCH",
    headers: { "Upload-Offset": "3" },
    signal,
    onProgress: ({ loaded, total }) => shares.push(loaded / total),
  });
  FakeXHR.last.sends(1, 4);
  FakeXHR.last.sends(4, 4);
  FakeXHR.last.responds(204, { headers: { "Upload-Offset": "7", Location: "http://here/" } });
  const response = await sending;

  const { method, url, headers, body } = FakeXHR.last;
  assert.deepEqual([method, url, body], ["PATCH", "/there", "body"]);
  assert.deepEqual(headers, {
    Accept: "application/json",
    "X-CSRFToken": "abc",
    "Upload-Offset": "3",
  });
  assert.deepEqual(shares, [0.25, 1]);
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("upload-offset"), "7");
  assert.equal(response.headers.get("location"), "http://here/");
});

test("an upload without a response is an error", async (t) => {
  FakeXHR.install(t);
  const sending = upload("/there", "body", { signal });

  FakeXHR.last.responds();

  await assert.rejects(sending, TypeError);
});

test("an aborted upload ends its request, with the reason of the abort", async (t) => {
  FakeXHR.install(t);
  const leaving = new AbortController();
  const sending = upload("/there", "body", { signal: leaving.signal });

  leaving.abort(new Error("cancelled"));

  await assert.rejects(sending, /cancelled/);
  assert.equal(FakeXHR.last.isAborted, true);
});

test("nothing is uploaded after an abort", async (t) => {
  FakeXHR.install(t);

  await assert.rejects(upload("/", "body", { signal: AbortSignal.abort() }), { name: "AbortError" });

  assert.equal(FakeXHR.all.length, 0);
});

test("an abort after the response changes nothing", async (t) => {
  FakeXHR.install(t);
  const leaving = new AbortController();
  const sending = upload("/", "body", { signal: leaving.signal });
  FakeXHR.last.responds(200);

  leaving.abort();

  assert.equal((await sending).status, 200);
  assert.equal(FakeXHR.last.isAborted, false);
});

test("an object is posted as JSON, a form unchanged", async (t) => {
  FakeXHR.install(t);
  const form = new FormData();
  const answers = [{ store: true }, form].map((body) => {
    const answer = post("/", body, { signal });
    FakeXHR.last.responds(200, { body: { id: 1 } });
    return answer;
  });

  const [json, multipart] = FakeXHR.all;
  assert.equal(json.headers["Content-Type"], "application/json");
  assert.equal(json.body, '{"store":true}');
  assert.equal(multipart.headers["Content-Type"], undefined, "the browser adds the boundary");
  assert.equal(multipart.body, form);
  assert.deepEqual(await Promise.all(answers), [{ id: 1 }, { id: 1 }]);
});

test("a post reports the share of the body that was sent", async (t) => {
  FakeXHR.install(t);
  const shares = [];
  const answer = post("/", {}, { signal, onProgress: (share) => shares.push(share) });
  FakeXHR.last.sends(1, 2);
  FakeXHR.last.responds(200, { body: {} });
  await answer;

  assert.deepEqual(shares, [0.5]);
});

test("a rejected post throws the server's problem, or the status of a proxy's page", async (t) => {
  FakeXHR.install(t);
  const refused = post("/", {}, { signal });
  FakeXHR.last.responds(413, { body: { detail: "Too large." } });
  const unavailable = post("/", {}, { signal });
  FakeXHR.last.responds(503, { body: "<html>", statusText: "Service Unavailable" });

  await assert.rejects(refused, (reason) => reason instanceof Problem && reason.message === "Too large.");
  await assert.rejects(unavailable, { message: "HTTP 503 Service Unavailable" });
});

test("a request sends JSON with the visitor's token, and returns JSON", async () => {
  const requests = fakeFetch(new Response('{"id": 1}'), "csrftoken=abc");

  const answer = await requestJson("/videos/", { method: "POST", body: { name: "a.mp4" } });

  assert.deepEqual(answer, { id: 1 });
  const headers = {
    Accept: "application/json",
    "X-CSRFToken": "abc",
    "Content-Type": "application/json",
  };
  const body = '{"name":"a.mp4"}';
  assert.deepEqual(requests, [
    { url: "/videos/", method: "POST", body, headers, signal: undefined },
  ]);
});

test("a request without a body has no content type, and a response may be empty", async () => {
  const requests = fakeFetch(new Response(null, { status: 204 }));

  assert.equal(await requestJson("/videos/1/", { method: "DELETE" }), null);

  assert.deepEqual(requests[0].headers, { Accept: "application/json" });
});

test("a rejected request throws the server's problem", async () => {
  fakeFetch(new Response('{"detail": "Not yours."}', { status: 404 }));

  await assert.rejects(requestJson("/"), (reason) => {
    return reason instanceof Problem && reason.message === "Not yours.";
  });
});

test("a request without a response does not throw a problem of the server", async () => {
  fakeFetch(new TypeError("Failed to fetch"));

  await assert.rejects(requestJson("/"), TypeError);
});

/** What `post` does while the server loads its model. */
function posting(t) {
  FakeXHR.install(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const leaving = new AbortController();
  const page = { leaving, told: 0 };
  page.answer = post("/", {}, { signal: leaving.signal, onLoading: () => (page.told += 1) });
  page.answer.catch(() => {});
  page.respond = async (...response) => {
    FakeXHR.last.responds(...response);
    await settled();
  };
  page.pass = async (ms) => {
    t.mock.timers.tick(ms);
    await settled();
  };
  return page;
}

const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const problem = (code, detail = "") => ({
  body: { code, detail },
  headers: { "Content-Type": "application/problem+json", "Retry-After": "2" },
});

test("a post is sent again while the server loads its model", async (t) => {
  const page = posting(t);

  await page.respond(503, problem("model_loading"));
  await page.pass(1999);
  assert.deepEqual([FakeXHR.all.length, page.told], [1, 1]);
  await page.pass(1);
  await page.respond(503, problem("model_loading"));
  await page.pass(2000);
  await page.respond(200, { body: { id: 1 } });

  assert.deepEqual(await page.answer, { id: 1 });
  assert.deepEqual([FakeXHR.all.length, page.told], [3, 2]);
});

test("a model that could not be loaded ends the post with the reason", async (t) => {
  const page = posting(t);

  await page.respond(503, problem("model_loading"));
  await page.pass(2000);
  await page.respond(503, problem("model_unusable", "The file is damaged."));

  await assert.rejects(page.answer, new Problem("The file is damaged."));
});

test("a post goes on after a restart of the server that loads its model", async (t) => {
  const page = posting(t);

  await page.respond(503, problem("model_loading"));
  await page.pass(2000);
  await page.respond();
  await page.pass(2000);
  await page.respond(502, { body: "<html>", headers: { "Content-Type": "text/html" } });
  await page.pass(2000);
  await page.respond(200, { body: { id: 1 } });

  assert.deepEqual(await page.answer, { id: 1 });
});

test("a server that stays away ends the post after a minute", async (t) => {
  const page = posting(t);

  await page.respond(503, problem("model_loading"));
  for (let second = 2; second <= 60; second += 2) {
    await page.pass(2000);
    await page.respond();
  }

  await assert.rejects(page.answer, TypeError);
  assert.equal(FakeXHR.all.length, 31);
});

test("a post that waits for the model can be aborted", async (t) => {
  const page = posting(t);
  await page.respond(503, problem("model_loading"));

  page.leaving.abort(new Error("another picture"));

  await assert.rejects(page.answer, /another picture/);
  await page.pass(60_000);
  assert.equal(FakeXHR.all.length, 1);
});
