import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";

const VIDEO = {
  state: "done",
  frames_detected: 100,
  urls: { self: "/api/1/", exports: "/api/1/exports/" },
  exports: [],
};
const EXPORT = {
  id: "a",
  codec: "mjpeg",
  state: "done",
  frames_done: 100,
  size_bytes: 2_000_000,
  score_threshold: 0.35,
  hidden_class_names: [],
  created_at: "2026-11-23T12:00:00Z",
  error: "",
  urls: { self: "/api/exports/a/", file: "/media/a.avi" },
};

/** The page with a video; the server answers every request with what `answer` returns. */
async function openExports(t, video, answer = () => Response.json(VIDEO)) {
  const requests = [];
  const page = fakePage(t, {
    texts: { exports: "queued running done failed all cancel remove", "save-error": "unreachable" },
    globals: {
      fetch: async (url, { method, body }) => {
        requests.push([method, url, body && JSON.parse(body)]);
        return answer(method, url);
      },
    },
  });
  Object.assign(page.element("exports").dataset, { mjpeg: "AVI", without: "without {names}" });
  page.element("threshold").value = "0.35";
  page.element("codec").value = "mjpeg";
  page.element("show-names").checked = true;
  const { showExports } = await load("detect_video/static/detect_video/renderings.js");
  showExports({ ...VIDEO, ...video });
  const rows = () => page.element("exports").children;
  const submit = async () => {
    page.element("save-form").dispatchEvent(new Event("submit", { cancelable: true }));
    await settled();
    await settled();
  };
  return { ...page, requests, rows, submit };
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
    const page = await openExports(t, video);
    assert.equal(page.element("save").disabled, isDisabled);
    assert.equal(page.element("save-reason").hidden, !isDisabled);
  }
});

test("saving sends the codec and the current filters", async (t) => {
  const page = await openExports(t);

  await page.submit();

  const body = {
    codec: "mjpeg",
    score_threshold: 0.35,
    hidden_classes: [],
    show_names: true,
    show_scores: false,
  };
  assert.deepEqual(page.requests, [
    ["POST", "/api/1/exports/", body],
    ["GET", "/api/1/", undefined],
  ]);
});

test("a saved video has its facts and a link", async (t) => {
  const page = await openExports(t, { exports: [{ ...EXPORT, hidden_class_names: ["dog", "cat"] }] });

  const [row] = page.rows();
  assert.equal(row.querySelector(".name").textContent, "AVI: done");
  assert.match(row.querySelector("small").textContent, /^≥ 35 ?% · without dog, cat · 2 MB · .*2026/);
  assert.equal(row.querySelector("a").href, "/media/a.avi");
  assert.equal(row.querySelector("a").hidden, false);
  assert.equal(row.querySelector("progress").hidden, true);
  assert.equal(row.querySelector("button").textContent, "remove");
});

test("an unfinished one has its progress, no size, and can be cancelled", async (t) => {
  const running = { ...EXPORT, state: "running", frames_done: 25, urls: { self: "/api/exports/a/" } };
  const page = await openExports(t, { exports: [running] });

  const [row] = page.rows();
  assert.doesNotMatch(row.querySelector("small").textContent, /MB/);
  assert.equal(row.querySelector("progress").value, 0.25);
  assert.equal(row.querySelector("a").hidden, true);
  assert.equal(row.querySelector("button").textContent, "cancel");
});

test("one that failed says why", async (t) => {
  const failed = { ...EXPORT, state: "failed", error: "The disk is full." };
  const page = await openExports(t, { exports: [failed] });

  assert.equal(page.rows()[0].querySelector(".name").textContent, "AVI: The disk is full.");
});

test("a removed one leaves the list", async (t) => {
  const page = await openExports(t, { exports: [EXPORT] }, (method) =>
    method === "DELETE" ? new Response(null, { status: 204 }) : Response.json(VIDEO),
  );

  page.rows()[0].querySelector("button").click();
  await settled();

  assert.deepEqual(page.requests[0].slice(0, 2), ["DELETE", "/api/exports/a/"]);
  assert.equal(page.rows().length, 0);
});

test("a refused request says why, and the next one clears the message", async (t) => {
  const answers = [
    () => Response.json({ detail: "You have too many exports." }, { status: 429 }),
    () => Promise.reject(new TypeError("Failed to fetch")),
  ];
  const page = await openExports(t, {}, () => (answers.shift() ?? (() => Response.json(VIDEO)))());

  await page.submit();
  assert.equal(page.text("save-error"), "You have too many exports.");
  await page.submit();
  assert.equal(page.text("save-error"), "unreachable");
  await page.submit();

  assert.equal(page.text("save-error"), "");
});
