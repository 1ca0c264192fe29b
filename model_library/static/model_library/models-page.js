/** The models page: the staff's changes go through the API, then the changed cards are renewed. */

import { failureText, post, requestJson } from "../js/requests/api.js";
import { percent } from "../js/drawing/boxes.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { formValues } from "./form-values.js";
import { uploadAndStart } from "./model-upload.js";
import { rememberParts, renewParts, settle } from "./page-parts.js";

/** @typedef {import("./model-upload.js").Job} Job */

const RENEW_MS = 1000;

const library = element("library", HTMLElement);
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/**
 * Uploads that arrived or were refused, by the form that sent them: the person corrects the answers
 * and starts again, without sending the same files once more.
 * @type {WeakMap<HTMLFormElement, {files: File[], job: Job}>}
 */
const kept = new WeakMap();
/** @type {Set<string>} addresses of the jobs whose files are being sent */
const sending = new Set();

rememberParts();
const controls = document.getElementById("controls");
if (controls instanceof HTMLFieldSetElement) controls.disabled = false;
showTarget();
followJobs();
window.addEventListener("hashchange", showTarget);

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-url]") : null;
  if (button instanceof HTMLButtonElement) change(button, bodyOf(button));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  if (form.matches(".fields-form")) {
    event.preventDefault();
    change(form, { ...bodyOf(form), ...formValues(fieldsOf(form)) });
  } else if (form.matches(".upload-form")) {
    event.preventDefault();
    upload(form);
  }
});

/** @param {HTMLElement} holder */
function bodyOf(holder) {
  return holder.dataset.body ? JSON.parse(holder.dataset.body) : {};
}

/** @param {HTMLFormElement} form */
function fieldsOf(form) {
  /** @type {NodeListOf<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>} */
  const fields = form.querySelectorAll("[data-kind][name]");
  return fields;
}

/**
 * Send a request of the API, and show what has changed.
 * @param {HTMLElement} control a button or form with `data-method` and `data-url`
 * @param {object} body
 */
async function change(control, body) {
  const { method = "POST", url = "", done, busy } = control.dataset;
  const button =
    control instanceof HTMLButtonElement ? control : part(control, "button", HTMLButtonElement);
  if (button.hasAttribute("aria-busy")) return;
  const text = button.textContent;
  const { signal } = new AbortController();
  const sinceMs = performance.now();
  setProblem(control, "");
  // Not disabled, which would lose the keyboard's place.
  button.setAttribute("aria-busy", "true");
  if (busy) button.textContent = busy;
  try {
    const onLoading = () => showLoading(button, sinceMs);
    if (method === "POST") await post(url, body, { signal, onLoading });
    else await requestJson(url, { method, ...(method !== "DELETE" && { body }) });
    const card = control.closest("[data-part]");
    const name = (card instanceof HTMLElement && card.dataset.name) || "";
    // By its text, the keyboard's place is found in the renewed card.
    button.textContent = text;
    if (control instanceof HTMLFormElement) settle(control);
    await renew();
    if (done) notify(done.replace("{name}", () => name));
  } catch (reason) {
    setProblem(control, failureText(reason, texts(library).unreachable));
  } finally {
    button.removeAttribute("aria-busy");
    button.textContent = text;
  }
}

/** @param {HTMLFormElement} form */
async function upload(form) {
  const input = part(form, "input[type=file]", HTMLInputElement);
  const labelled = form.querySelector("input.labelled-set");
  const labelledSet = labelled instanceof HTMLInputElement ? labelled.files?.[0] : undefined;
  const files = [...(input.files ?? []), ...(labelledSet ? [labelledSet] : [])];
  const { jobsUrl = "", chunkBytes, maxBytes, tooLarge } = library.dataset;
  const total = files.reduce((bytes, { size }) => bytes + size, 0);
  setProblem(form, total > Number(maxBytes) ? (tooLarge ?? "") : "");
  if (total > Number(maxBytes)) return;
  const panel = part(form, ".upload-progress", HTMLElement);
  const status = part(panel, "[role=status]", HTMLElement);
  const bar = part(panel, "progress", HTMLProgressElement);
  const button = part(form, "button:not(.cancel)", HTMLButtonElement);
  const uploading = new AbortController();
  const { signal } = uploading;
  const cancel = part(panel, ".cancel", HTMLButtonElement);
  cancel.addEventListener("click", () => uploading.abort(), { signal });
  const before = kept.get(form);
  const isSame = before?.files.every((file, number) => file === files[number]);
  let url = "";
  panel.hidden = false;
  button.disabled = true;
  try {
    await uploadAndStart(files, {
      api: jobsUrl,
      kind: form.dataset.kind === "add" ? "add" : "measure",
      model: form.dataset.model ?? "",
      labelledSet,
      answers: formValues(fieldsOf(form)),
      chunkBytes: Number(chunkBytes),
      signal,
      former: before && isSame && before.files.length === files.length ? before.job : null,
      announced: (job) => {
        url = job.url;
        kept.set(form, { files, job });
        sending.add(url);
        // An earlier try of it may be on the page.
        renew().catch(() => {});
      },
      progress: (step, share, name) => {
        status.textContent = `${texts(status)[step].replace("{name}", () => name)} ${percent(share)}`;
        bar.value = share;
      },
    });
    form.reset();
    kept.delete(form);
  } catch (reason) {
    if (signal.aborted) kept.delete(form);
    else setProblem(form, failureText(reason, texts(library).unreachable));
  } finally {
    sending.delete(url);
    panel.hidden = true;
    button.disabled = false;
  }
  await renew().catch(() => {});
}

async function renew() {
  await renewParts(library, sending);
  followJobs();
}

/** While a job runs, its card shows the progress. */
function followJobs() {
  clearTimeout(timer);
  if (!document.querySelector("[data-active]")) return;
  timer = setTimeout(async () => {
    const lost = element("lost", HTMLElement);
    try {
      await renew();
      lost.textContent = "";
    } catch {
      lost.textContent = texts(lost).unreachable;
      followJobs();
    }
  }, RENEW_MS);
}

/** @param {string} text */
function notify(text) {
  const notice = element("notice", HTMLElement);
  notice.textContent = text;
  notice.hidden = false;
}

/**
 * Show an error where it happened.
 * @param {HTMLElement} control
 * @param {string} text
 */
function setProblem(control, text) {
  const card = control.closest(".card");
  // The card may have been renewed since the request was sent.
  const shown = document.getElementById(card?.id ?? "") ?? card;
  const problem = shown?.querySelector(".problem:not(.job-error)") ?? element("lost", HTMLElement);
  problem.textContent = text;
}

/**
 * The element that a link names, or null: anything can be typed after the #.
 * @param {string} hash
 */
function targetOf(hash) {
  try {
    return document.getElementById(decodeURIComponent(hash.slice(1)));
  } catch {
    return null;
  }
}

/** A model's card is the link's target although it lies in the folded list. */
function showTarget() {
  const folded = targetOf(location.hash)?.closest("details");
  if (folded) folded.open = true;
}
