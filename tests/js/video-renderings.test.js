import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

const VIDEO = {
  state: "done",
  frames_detected: 100,
  urls: { self: "/api/1/", renderings: "/api/1/renderings/" },
  renderings: [],
};
const RENDERING = {
  id: "a",
  codec: "mjpeg",
  state: "done",
  frames_done: 100,
  size_bytes: 2_000_000,
  score_threshold: 0.35,
  hidden_class_names: [],
  created_at: "2026-11-23T12:00:00Z",
  error: "",
  urls: { self: "/api/renderings/a/", file: "/media/a.avi" },
};

/** The page with a video; the server answers every request with what `answer` returns. */
async function openRenderings(t, video, answer = () => Response.json(VIDEO)) {
  const requests = [];
  const page = fakePage(t, {
    texts: { renderings: "queued running done failed all cancel remove", "save-error": "unreachable" },
    globals: {
      fetch: async (url, { method, body }) => {
        requests.push([method, url, body && JSON.parse(body)]);
        return answer(method, url);
      },
    },
  });
  Object.assign(page.element("renderings").dataset, {
    mjpeg: "AVI",
    without: "without {names}",
    tracks: "with tracks",
    comma: ", ",
    colon: ": ",
  });
  page.element("threshold").value = "0.35";
  page.element("codec").value = "mjpeg";
  page.element("counting").open = false;
  page.element("show-names").checked = true;
  const { saveAfter, showRenderings } = await load("detect_video/static/detect_video/renderings.js");
  showRenderings({ ...VIDEO, ...video });
  const rows = () => page.element("renderings").children;
  const submit = async () => {
    page.element("save-form").dispatchEvent(new Event("submit", { cancelable: true }));
    await settled();
    await settled();
  };
  return { ...page, requests, rows, saveAfter, submit };
}

test("a video can be saved once detection is over and has frames", async (t) => {
  const states = [
    [{ state: "running" }, true],
    [{ state: "queued" }, true],
    [{ state: "cancelled", frames_detected: 0 }, true],
    [{ state: "cancelled" }, false],
    [{}, false],
  ];
  for (const [video, isDisabled] of states) {
    const page = await openRenderings(t, video);
    assert.equal(page.element("save").disabled, isDisabled);
    assert.equal(page.element("save-reason").hidden, !isDisabled);
  }
});

test("saving sends the codec and the current filters", async (t) => {
  const page = await openRenderings(t);

  await page.submit();

  const body = {
    codec: "mjpeg",
    score_threshold: 0.35,
    hidden_classes: [],
    show_names: true,
    show_scores: false,
    show_tracks: false,
    show_regions: false,
  };
  assert.deepEqual(page.requests, [
    ["POST", "/api/1/renderings/", body],
    ["GET", "/api/1/", undefined],
  ]);
});

test("a video is saved only once its new lines and zones are stored, as the server draws those", async (t) => {
  const page = await openRenderings(t);
  let store = () => {};
  page.saveAfter(() => new Promise((resolve) => (store = resolve)));

  await page.submit();
  assert.deepEqual(page.requests, []);
  store();
  await settled();

  assert.equal(page.requests[0][1], "/api/1/renderings/");
});

test("a completed rendering has facts and a link", async (t) => {
  const page = await openRenderings(t, { renderings: [{ ...RENDERING, hidden_class_names: ["dog", "cat"] }] });

  const [row] = page.rows();
  assert.equal(row.querySelector(".name").textContent, "AVI: done");
  assert.match(row.querySelector("small").textContent, /^≥ 35 ?% · without dog, cat · 2 MB · .*2026/);
  assert.equal(row.querySelector("a").href, "/media/a.avi");
  assert.equal(row.querySelector("a").hidden, false);
  assert.equal(row.querySelector("progress").hidden, true);
  assert.equal(row.querySelector("button").textContent, "remove");
});

test("a rendering with tracks says so", async (t) => {
  const page = await openRenderings(t, { renderings: [{ ...RENDERING, show_tracks: true }] });

  assert.match(page.rows()[0].querySelector("small").textContent, / · all · with tracks · /);
});

test("an unfinished rendering has progress but no size, and can be cancelled", async (t) => {
  const running = { ...RENDERING, state: "running", frames_done: 25, urls: { self: "/api/renderings/a/" } };
  const page = await openRenderings(t, { renderings: [running] });

  const [row] = page.rows();
  assert.doesNotMatch(row.querySelector("small").textContent, /MB/);
  assert.equal(row.querySelector("progress").value, 0.25);
  assert.equal(row.querySelector("a").hidden, true);
  assert.equal(row.querySelector("button").textContent, "cancel");
});

test("a failed rendering shows why", async (t) => {
  const failed = { ...RENDERING, state: "failed", error: "The disk is full." };
  const page = await openRenderings(t, { renderings: [failed] });

  assert.equal(page.rows()[0].querySelector(".name").textContent, "AVI: The disk is full.");
});

test("a removed rendering leaves the list", async (t) => {
  const page = await openRenderings(t, { renderings: [RENDERING] }, (method) =>
    method === "DELETE" ? new Response(null, { status: 204 }) : Response.json(VIDEO),
  );

  page.rows()[0].querySelector("button").click();
  await settled();

  assert.deepEqual(page.requests[0].slice(0, 2), ["DELETE", "/api/renderings/a/"]);
  assert.equal(page.rows().length, 0);
});

test("a rejected request shows why, and the next one clears the message", async (t) => {
  const answers = [
    () => Response.json({ detail: "You have too many renderings." }, { status: 429 }),
    () => Promise.reject(new TypeError("Failed to fetch")),
  ];
  const page = await openRenderings(t, {}, () => (answers.shift() ?? (() => Response.json(VIDEO)))());

  await page.submit();
  assert.equal(page.text("save-error"), "You have too many renderings.");
  await page.submit();
  assert.equal(page.text("save-error"), "unreachable");
  await page.submit();

  assert.equal(page.text("save-error"), "");
});
