import assert from "node:assert/strict";
import { test } from "node:test";

import { fakePage, load, settled } from "./fake-page.js";
import { FakeXHR } from "./fake-xhr.js";

const ANSWER = {
  drawn: "data:image/jpeg;base64,AAAA",
  detections: [{}, {}],
  truncated: false,
  not_stored: null,
};

/** The page with one gallery picture, and the user's own file if there is one. */
async function openPage(t, { file = null, way = "base64" } = {}) {
  FakeXHR.all = [];
  const fetched = [];
  const answers = [];
  const page = fakePage(t, {
    texts: { error: "choose unreachable", status: "busy loading plain" },
    globals: {
      XMLHttpRequest: FakeXHR,
      fetch: async (url) => {
        fetched.push(url);
        return answers.shift();
      },
    },
  });
  const { element } = page;
  t.mock.method(performance, "getEntriesByName", () => []);
  const form = element("server-form");
  const buttons = ["detect", "show", "compare"].map(element);
  Object.assign(form, { action: "/api/detect/", querySelectorAll: () => buttons });
  form.dataset.galleryUrl = "/api/gallery/";
  Object.assign(element("status").dataset, { shown: "{count} objects" });
  Object.assign(element("not-stored").dataset, { reason: "Not stored: {reason}" });
  Object.assign(form.querySelector("input[name=return]:checked"), { value: way });
  const radio = form.querySelector("input[name=gallery]:checked");
  radio.value = "dog.jpg";
  radio.parentElement.textContent = " Dog ";
  element("picture").decode = async () => {};
  element("threshold").value = "0.35";
  element("file").files = file ? [file] : [];
  page.document.querySelector = (selector) => form.querySelector(selector);
  element("by-upload").checked = Boolean(file);
  await load("detect_image/static/detect_image/server-page.js");
  await settled();

  const rows = () => element("ways").children.map(({ children }) => children.map((cell) => cell.textContent));
  const flush = async () => {
    for (let step = 0; step < 5; step += 1) await settled();
  };
  return {
    ...page,
    fetched,
    answers,
    rows,
    flush,
    async submit() {
      form.dispatchEvent(new Event("submit", { cancelable: true }));
      await flush();
    },
    async respond(status = 200, body = ANSWER) {
      FakeXHR.last.responds(status, { body });
      await flush();
    },
    sent: () => Object.fromEntries(FakeXHR.last.body),
  };
}

test("a gallery picture is drawn by the server, and the transferred sizes are listed", async (t) => {
  const page = await openPage(t);

  await page.submit();
  assert.equal(page.text("status"), "busy");
  assert.equal(page.element("compare").disabled, true);
  await page.respond();

  const { gallery, return: way, name, store } = page.sent();
  assert.deepEqual([gallery, way, name, store], ["dog.jpg", "base64", "Dog", "false"]);
  assert.equal(page.element("picture").src, ANSWER.drawn);
  assert.equal(page.element("stage").hidden, false);
  assert.equal(page.text("status"), "2 objects");
  assert.equal(page.element("compare").disabled, false);
  assert.deepEqual(page.rows()[0].slice(0, 3), ["Dog", "base64", "0 B"]);
});

test("a file that the server reads is uploaded unchanged", async (t) => {
  const file = new File([Buffer.from("\x89PNG and more", "latin1")], "mine.png");
  const page = await openPage(t, { file });
  assert.equal(page.element("show").disabled, true, "it is not on the server");

  await page.submit();
  await page.respond();

  assert.equal(await page.sent().image.text(), await file.text());
  assert.deepEqual(page.rows()[0].slice(0, 3), ["mine.png", "base64", "13 B"]);
});

test("a file that neither side reads is uploaded, so that the server explains the formats", async (t) => {
  const page = await openPage(t, { file: new File(["text"], "notes.txt") });

  await page.submit();
  await page.respond(400, { detail: "Expected a JPEG, PNG, WebP or BMP file." });

  assert.equal(await page.sent().image.text(), "text");
  assert.equal(page.text("error"), "Expected a JPEG, PNG, WebP or BMP file.");
  assert.equal(page.element("stage").hidden, true);
});

test("without a picture nothing is requested", async (t) => {
  const page = await openPage(t);
  page.element("by-upload").checked = true;

  await page.submit();

  assert.equal(page.text("error"), "choose");
  assert.equal(FakeXHR.all.length, 0);
});

test("a comparison requests both formats one after another", async (t) => {
  const page = await openPage(t);

  page.element("compare").click();
  await page.flush();
  assert.equal(FakeXHR.all.length, 1);
  await page.respond();
  assert.equal(FakeXHR.all.length, 2);
  await page.respond(200, { ...ANSWER, drawn: "/media/1.jpg" });

  assert.deepEqual(page.rows().map(([, way]) => way), ["URL", "base64"]);
});

test("an unreachable server shows an error, and the button works again", async (t) => {
  const page = await openPage(t);
  await page.submit();

  FakeXHR.last.responds();
  await page.flush();

  assert.equal(page.text("error"), "unreachable");
  assert.equal(page.element("compare").disabled, false);
});

test("another choice while the server loads the model ends the request", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const page = await openPage(t);
  await page.submit();
  await page.respond(503, { code: "model_loading" });
  assert.equal(page.element("status").children[0], "loading ");
  assert.equal(page.element("compare").disabled, true);

  page.element("server-form").change();
  await page.flush();

  assert.deepEqual([page.text("status"), page.text("error")], ["", ""]);
  assert.equal(page.element("compare").disabled, false);
});

test("a truncated file and a picture that is not stored are reported", async (t) => {
  const page = await openPage(t);
  await page.submit();

  await page.respond(200, { ...ANSWER, truncated: true, not_stored: { detail: "Quota." } });

  assert.equal(page.text("not-stored"), "Not stored: Quota.");
  assert.equal(page.document.querySelector(".cut-off").hidden, false);
});

test("a picture of the gallery can be shown without boxes", async (t) => {
  const page = await openPage(t, { way: "url" });
  page.answers.push(Response.json({ picture: "/gallery/dog.jpg" }));

  page.element("show").click();
  await page.flush();

  assert.deepEqual(page.fetched, ["/api/gallery/?key=dog.jpg&return=url"]);
  assert.equal(page.element("picture").src, "/gallery/dog.jpg");
  assert.equal(page.text("status"), "plain");
});

test("a removed gallery picture shows an error", async (t) => {
  const page = await openPage(t);
  page.answers.push(Response.json({ detail: "There is no such picture." }, { status: 404 }));

  page.element("show").click();
  await page.flush();

  assert.equal(page.text("error"), "There is no such picture.");
});

test("a typed name chooses the picture by that name", async (t) => {
  const page = await openPage(t);
  page.element("by-name").addEventListener("change", () => {
    page.element("by-name").checked = true;
  });

  page.element("typed-name").change({ value: "cat.jpg" });
  await page.submit();

  assert.equal(page.sent().gallery, "cat.jpg");
});
