/** The picture page: choose, drop or paste a picture, then send it. */

import { Problem, postForm } from "../js/api.js";
import { whenFilesChosen } from "../js/chosen-files.js";
import { element, texts } from "../js/dom.js";
import { clearResult, showResult } from "./result.js";

const STILL_BUSY_MS = 3000;

const form = element("picture-form", HTMLFormElement);
const fileInput = element("file", HTMLInputElement);
const detectButton = element("detect", HTMLButtonElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const stage = element("stage", HTMLElement);
const frame = element("frame", HTMLElement);
const picture = element("picture", HTMLImageElement);

/** @type {File | null} */
let chosen = null;
let request = new AbortController();

/**
 * Show a picture at once; one that cannot be used leaves everything as it was.
 * @param {File} file
 */
async function choose(file) {
  error.textContent = "";
  if (file.size > Number(form.dataset.maxBytes)) {
    error.textContent = texts(error).tooLarge;
    return;
  }
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(image.src);
    error.textContent = texts(error).unreadable;
    return;
  }
  // An answer to the former picture is of no use any more.
  request.abort();
  URL.revokeObjectURL(picture.src);
  picture.src = image.src;
  frame.style.setProperty("--ratio", String(image.naturalWidth / image.naturalHeight));
  frame.hidden = false;
  element("invitation", HTMLElement).hidden = true;
  chosen = file;
  clearResult();
  setBusy(false);
}

/** @param {boolean} busy */
function setBusy(busy) {
  detectButton.disabled = busy;
  stage.setAttribute("aria-busy", String(busy));
  status.textContent = busy ? texts(status).busy : texts(status).chosen;
}

/** @param {File} file */
async function detect(file) {
  const body = new FormData();
  body.append("image", file);
  const model = form.querySelector("select");
  if (model) body.append("model", model.value);

  error.textContent = "";
  setBusy(true);
  request = new AbortController();
  const { signal } = request;
  const patience = setTimeout(() => {
    status.textContent = texts(status).stillBusy;
  }, STILL_BUSY_MS);
  try {
    return await postForm(form.action, body, signal);
  } catch (reason) {
    if (signal.aborted) return null;
    error.textContent = reason instanceof Problem ? reason.message : texts(error).unreachable;
    return null;
  } finally {
    clearTimeout(patience);
    if (!signal.aborted) setBusy(false);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!chosen) return;
  const answer = await detect(chosen);
  if (answer) showResult(answer);
  // A disabled button lost the keyboard's focus.
  if (document.activeElement === document.body) detectButton.focus({ preventScroll: true });
});

whenFilesChosen(fileInput, stage, ([file]) => choose(file));

const sample = document.getElementById("sample");
sample?.addEventListener("click", async () => {
  try {
    const response = await fetch(sample.dataset.url ?? "");
    choose(new File([await response.blob()], "sample.jpg"));
  } catch {
    error.textContent = texts(error).unreachable;
  }
});
