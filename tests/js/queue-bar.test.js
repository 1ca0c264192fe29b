import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeElement, fakePage, load, settled } from "./fake-page.js";

const ANSWER = { image: { width: 10, height: 10 }, detections: [], timing_ms: {}, model: "small" };

/** A picture of the queue, with or without a result. */
function picture(name, answer = null) {
  return { file: { name }, image: { naturalWidth: 10, naturalHeight: 10 }, answer };
}

async function openQueue(t) {
  const page = fakePage(t, { texts: { progress: "notDrawn" } });
  Object.assign(page.element("progress").dataset, {
    progress: "{done} of {count}",
    packing: "packing {done} of {count}",
  });
  page.element("threshold").value = "0.35";
  const { showQueue } = await load("detect_image/static/detect_image/queue-bar.js");
  const all = page.element("download-all");
  const download = async () => {
    all.click();
    for (let step = 0; step < 20; step += 1) await settled();
  };
  return { ...page, showQueue, all, download };
}

test("an empty queue is hidden, and one picture needs no bar", async (t) => {
  const page = await openQueue(t);

  page.showQueue([]);
  assert.deepEqual([page.element("queue").hidden, page.element("queue-bar").hidden], [true, true]);
  page.showQueue([picture("a.jpg")]);
  assert.deepEqual([page.element("queue").hidden, page.element("queue-bar").hidden], [false, true]);
  page.showQueue([picture("a.jpg"), picture("b.jpg")]);

  assert.equal(page.element("queue-bar").hidden, false);
});

test("the bar counts the results and offers their download once there is one", async (t) => {
  const page = await openQueue(t);
  page.showQueue([picture("a.jpg"), picture("b.jpg")]);
  assert.equal(page.text("progress"), "0 of 2");
  assert.equal(page.all.disabled, true);

  page.showQueue([picture("a.jpg", ANSWER), picture("b.jpg")]);

  assert.equal(page.text("progress"), "1 of 2");
  assert.equal(page.all.disabled, false);
});

test("all results are downloaded as one archive", async (t) => {
  const page = await openQueue(t);
  page.showQueue([picture("a.jpg", ANSWER), picture("b.jpg"), picture("a.jpg", ANSWER)]);

  page.all.click();
  assert.equal(page.all.disabled, true, "it is not packed twice");
  await page.download();

  assert.deepEqual(page.document.downloads, ["pictures.zip"]);
  assert.equal(page.all.disabled, false);
  assert.equal(page.text("progress"), "2 of 3");
});

test("a picture that cannot be drawn shows an error, and the download stays possible", async (t) => {
  const page = await openQueue(t);
  page.showQueue([picture("a.jpg", ANSWER), picture("b.jpg")]);
  t.mock.method(FakeElement.prototype, "toBlob", (use) => use(null));

  await page.download();

  assert.equal(page.text("progress"), "notDrawn");
  assert.deepEqual(page.document.downloads, []);
  assert.equal(page.all.disabled, false);
});

test("the edges with more cards are marked", async (t) => {
  const page = await openQueue(t);
  const queue = page.element("queue");
  const marks = () => ["more-before", "more-after"].filter((name) => queue.classList.contains(name));

  Object.assign(queue, { scrollLeft: 0, scrollWidth: 300, clientWidth: 100 });
  queue.dispatchEvent(new Event("scroll"));
  assert.deepEqual(marks(), ["more-after"]);
  queue.scrollLeft = 200;
  queue.dispatchEvent(new Event("scroll"));

  assert.deepEqual(marks(), ["more-before"]);
});
