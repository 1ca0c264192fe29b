import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

const LIST = "queued running done failed uploading remaining";

beforeEach((t) => t.mock.timers.enable({ apis: ["setTimeout"] }));

function video(id, values = {}) {
  return {
    id,
    name: `${id}.mp4`,
    state: "running",
    frames_detected: 25,
    frames_hint: 100,
    detect_fps: 0,
    duration_s: 4,
    rate: "25/1",
    model: "small",
    created_at: "2026-11-23T12:00:00Z",
    urls: { page: `/detect-video/${id}/`, self: `/api/videos/${id}/` },
    ...values,
  };
}

/**
 * The page with its list of videos; `server.videos` is what the API returns next.
 * @param {import("node:test").TestContext} t
 */
async function openList(t, { videos = [], confirms = true } = {}) {
  const server = { videos, requests: [], failure: null };
  const page = fakePage(t, {
    texts: { "video-list": LIST, "videos-error": "sure unreachable" },
    globals: {
      confirm: () => confirms,
      fetch: async (url, { method }) => {
        server.requests.push([method, url]);
        if (server.failure) throw server.failure;
        return server.refusal ?? Response.json(server.videos);
      },
    },
  });
  page.element("videos").dataset.api = "/api/videos/";
  const { keepVideoList } = await load("detect_video/static/detect_video/video-list.js");
  await keepVideoList();
  const rows = () => page.element("video-list").children;
  return { ...page, server, rows, async update() {
    t.mock.timers.tick(2000);
    await settled();
    await settled();
  } };
}

test("the list is hidden while there are no videos", async (t) => {
  const page = await openList(t);
  assert.equal(page.element("videos").hidden, true);

  page.server.videos = [video("a")];
  await page.update();

  assert.equal(page.element("videos").hidden, false);
  assert.equal(page.rows().length, 1);
});

test("a row links to its video and shows facts, state and progress", async (t) => {
  const page = await openList(t, { videos: [video("a"), video("b", { state: "done" })] });

  const [running, done] = page.rows();
  const link = running.querySelector("a");
  assert.deepEqual([link.href, link.textContent], ["/detect-video/a/", "a.mp4"]);
  assert.match(running.querySelector(".facts-line").textContent, /2026.* · 0:04\.0 · small$/);
  assert.equal(running.querySelector("span").textContent, "running");
  assert.equal(running.querySelector("progress").value, 0.25);
  assert.equal(running.querySelector("progress").hidden, false);
  assert.equal(done.querySelector("progress").hidden, true);
});

test("rows are updated in place, and those of deleted videos are removed", async (t) => {
  const page = await openList(t, { videos: [video("a"), video("b")] });
  const [, row] = page.rows();

  page.server.videos = [video("b", { state: "done" }), video("c")];
  await page.update();

  assert.equal(page.rows()[0], row);
  assert.equal(row.querySelector("span").textContent, "done");
  assert.deepEqual(page.rows().map(({ dataset }) => dataset.id), ["b", "c"]);
});

test("while the server is unreachable, the list is unchanged and the request is retried", async (t) => {
  const page = await openList(t, { videos: [video("a")] });
  page.server.failure = new TypeError("Failed to fetch");
  await page.update();
  assert.equal(page.rows().length, 1);

  Object.assign(page.server, { failure: null, videos: [video("a"), video("b")] });
  await page.update();

  assert.equal(page.rows().length, 2);
});

test("a hidden tab sends no requests until it is visible again", async (t) => {
  const page = await openList(t);
  page.document.hidden = true;
  await page.update();
  assert.equal(page.server.requests.length, 1);

  page.document.hidden = false;
  await page.update();

  assert.equal(page.server.requests.length, 2);
});

test("the list is not updated behind the player", async (t) => {
  const page = await openList(t);
  page.element("videos").tag = "[hidden]";

  await page.update();
  await page.update();

  assert.equal(page.server.requests.length, 1);
});

test("a video is deleted only after a confirmation", async (t) => {
  const page = await openList(t, { videos: [video("a")], confirms: false });

  page.rows()[0].querySelector("button").click();
  await settled();

  assert.equal(page.server.requests.length, 1);
});

test("a deleted video leaves the list at once", async (t) => {
  const page = await openList(t, { videos: [video("a")] });
  page.server.videos = [];

  page.rows()[0].querySelector("button").click();
  await settled();

  assert.deepEqual(page.server.requests.at(-2), ["DELETE", "/api/videos/a/"]);
  assert.equal(page.rows().length, 0);
});

test("a video that cannot be deleted shows why", async (t) => {
  const page = await openList(t, { videos: [video("a")] });
  page.server.failure = new TypeError("Failed to fetch");
  page.rows()[0].querySelector("button").click();
  await settled();
  assert.equal(page.text("videos-error"), "unreachable");

  page.server.failure = null;
  page.server.refusal = Response.json({ detail: "It is being rendered." }, { status: 409 });
  page.rows()[0].querySelector("button").click();
  await settled();

  assert.equal(page.text("videos-error"), "It is being rendered.");
});

test("a failed video shows why", async (t) => {
  const page = await openList(t, {
    videos: [video("a", { state: "failed", error: "This is no video." })],
  });

  const [row] = page.rows();
  assert.equal(row.querySelector("span").textContent, "failed");
  assert.equal(row.querySelector(".reason").textContent, "This is no video.");
});
