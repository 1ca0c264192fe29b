import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

const VIDEO = {
  state: "running",
  queue_position: null,
  error: "",
  truncated: "",
  width: 640,
  height: 360,
  rate: "25/1",
  duration_s: 4,
  size_bytes: 12_345_678,
  frames_hint: 100,
  frames_detected: 25,
  detect_fps: 5,
  model: "small",
  urls: {
    self: "/api/1/",
    cancel: "/api/1/cancel/",
    retry: "/api/1/retry/",
    results_csv: "/api/1/results.csv",
  },
};

/** The page with a video; `answers` are those of the API, and errors are thrown. */
async function openPage(t, video, { answers = [], confirms = true } = {}) {
  const requests = [];
  const left = [];
  const page = fakePage(t, {
    texts: { state: "loading queued running done failed cancelled", "state-error": "truncated unreachable", delete: "sure then" },
    globals: {
      confirm: () => confirms,
      location: { assign: (url) => left.push(url) },
      fetch: async (url, { method }) => {
        requests.push([method, url]);
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
  });
  Object.assign(page.element("state").dataset, { remaining: "{time} left", place: "place {position}" });
  const { showState } = await load("detect_video/static/detect_video/job-state.js");
  showState({ ...VIDEO, ...video });
  const click = async (id) => {
    page.element(id).click();
    await settled();
  };
  const buttons = () => ["cancel", "retry"].filter((id) => !page.element(id).hidden);
  return { ...page, requests, left, click, buttons };
}

test("a running detection shows its progress and the remaining time, and can be cancelled", async (t) => {
  const page = await openPage(t);

  assert.equal(page.text("state"), "running");
  assert.match(page.text("state-share"), /^25 ?% · 15 sec left$/);
  assert.equal(page.element("state-bar").value, 0.25);
  assert.deepEqual(page.buttons(), ["cancel"]);
});

test("while the model is loading there is no share, and detection can be cancelled", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const page = await openPage(t, { is_loading: true, frames_detected: 0 });

  assert.equal(page.element("state").children[0], "loading ");
  assert.equal(page.text("state-share"), "");
  assert.deepEqual(page.buttons(), ["cancel"]);
});

test("a queued detection shows its position and can be cancelled", async (t) => {
  const page = await openPage(t, { state: "queued", queue_position: 3, frames_detected: 0 });

  assert.equal(page.text("state-share"), "place 3");
  assert.deepEqual(page.buttons(), ["cancel"]);
});

test("a completed detection has neither progress nor buttons", async (t) => {
  const page = await openPage(t, { state: "done", frames_detected: 100 });

  assert.equal(page.text("state-share"), "");
  assert.equal(page.element("state-bar").hidden, true);
  assert.deepEqual(page.buttons(), []);
});

test("a failed or cancelled detection shows why and can be retried", async (t) => {
  const page = await openPage(t, { state: "failed", error: "The video is broken." });

  assert.equal(page.text("state-error"), "The video is broken.");
  assert.deepEqual(page.buttons(), ["retry"]);
});

test("an incomplete file is reported", async (t) => {
  const page = await openPage(t, { state: "done", truncated: "bytes are missing" });

  assert.equal(page.text("state-error"), "truncated");
});

test("the facts of a video are shown, with a dash for unknown ones", async (t) => {
  const page = await openPage(t);
  const facts = ["model-name", "video-size", "duration", "file-size", "detected"];
  assert.deepEqual(facts.map(page.text), ["small", "640 × 360", "0:04.0", "12.3 MB", "25"]);
  assert.equal(page.element("downloads").querySelector(".csv").href, "/api/1/results.csv");

  const unknown = await openPage(t, { model: "", duration_s: null });

  assert.deepEqual(["model-name", "duration"].map(unknown.text), ["–", "–"]);
});

test("a cancelled detection is shown as the server returns it", async (t) => {
  const answers = [Response.json({ ...VIDEO, state: "cancelled" })];
  const page = await openPage(t, {}, { answers });

  page.element("cancel").click();
  assert.equal(page.element("cancel").disabled, true);
  await settled();

  assert.deepEqual(page.requests, [["POST", "/api/1/cancel/"]]);
  assert.equal(page.text("state"), "cancelled");
  assert.equal(page.element("cancel").disabled, false);
  assert.deepEqual(page.buttons(), ["retry"]);
});

test("a failed action shows why and can be retried", async (t) => {
  const answers = [
    Response.json({ detail: "Too many videos are waiting." }, { status: 429 }),
    new TypeError("Failed to fetch"),
  ];
  const page = await openPage(t, { state: "failed" }, { answers });

  await page.click("retry");
  assert.equal(page.text("state-error"), "Too many videos are waiting.");
  await page.click("retry");

  assert.equal(page.text("state-error"), "unreachable");
  assert.equal(page.element("retry").disabled, false);
});

test("deleting a video returns to the list, after a confirmation", async (t) => {
  const kept = await openPage(t, {}, { confirms: false });
  await kept.click("delete");
  assert.deepEqual(kept.requests, []);

  const page = await openPage(t, {}, { answers: [new Response(null, { status: 204 })] });
  await page.click("delete");

  assert.deepEqual(page.requests, [["DELETE", "/api/1/"]]);
  assert.deepEqual(page.left, ["then"]);
});
