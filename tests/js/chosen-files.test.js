import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { whenFilesChosen } from "../../static/js/files/chosen-files.js";

beforeEach(() => {
  globalThis.document = new EventTarget();
});

afterEach(() => {
  delete globalThis.document;
});

/** An `<input type="file">` that holds those files. */
function fileInput(...files) {
  return Object.assign(new EventTarget(), { files, value: files.length ? "C:\\fakepath\\a" : "" });
}

/** The files that a page receives, in order. */
function taken(input) {
  const given = [];
  whenFilesChosen(input, /** @type {any} */ ({}), (files) => given.push(files));
  return given;
}

test("files chosen before the page's modules ran are used once", async () => {
  const input = fileInput("a.mp4");
  const given = taken(input);
  assert.deepEqual(given, [], "not before the module that asks is ready");

  await null;

  assert.deepEqual(given, [["a.mp4"]]);
  assert.equal(input.value, "");
});

test("without files at the start, those chosen later are used", async () => {
  const input = fileInput();
  const given = taken(input);
  await null;
  assert.deepEqual(given, []);

  input.files = ["b.mp4"];
  input.dispatchEvent(new Event("change"));

  assert.deepEqual(given, [["b.mp4"]]);
});
