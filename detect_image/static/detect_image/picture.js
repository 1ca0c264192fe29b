/** The picture page: pictures are chosen, shrunk, sent one after another, and looked at. */

import { whenFilesChosen } from "../js/chosen-files.js";
import { element, part, texts } from "../js/dom.js";
import { ChosenPicture } from "./chosen-picture.js";
import { clearResult, showResult } from "./result.js";
import { bytesText } from "../js/shrink.js";

const STILL_BUSY_MS = 3000;

const form = element("picture-form", HTMLFormElement);
const detectButton = element("detect", HTMLButtonElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const stage = element("stage", HTMLElement);
const frame = element("frame", HTMLElement);
const picture = element("picture", HTMLImageElement);
const queue = element("queue", HTMLElement);
const longestSide = element("longest-side", HTMLSelectElement);
/** @type {HTMLSelectElement | null} there is none without an installed model */
const model = form.querySelector("#model");
const quality = element("quality", HTMLInputElement);

/** @type {ChosenPicture[]} */
let chosen = [];
/** @type {ChosenPicture | null} */
let selected = null;
let isRunning = false;

/** @param {File[]} files */
async function choose(files) {
  error.textContent = "";
  const opened = await Promise.allSettled(files.map((file) => ChosenPicture.open(file)));
  const added = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const refused = files.filter((_, index) => opened[index].status === "rejected");
  if (refused.length) {
    const names = refused.map(({ name }) => name).join(", ");
    error.textContent = `${texts(error).unreadable} (${names})`;
  }
  if (!added.length) return;
  chosen.push(...added);
  for (const one of added) {
    part(one.row, ".select", HTMLButtonElement).addEventListener("click", () => select(one));
    part(one.row, ".remove", HTMLButtonElement).addEventListener("click", () => remove(one));
    queue.append(one.row);
  }
  select(added[0]);
}

/** @param {ChosenPicture} one */
function select(one) {
  selected = one;
  picture.src = one.image.src;
  frame.style.setProperty("--ratio", String(one.image.naturalWidth / one.image.naturalHeight));
  frame.hidden = false;
  element("invitation", HTMLElement).hidden = true;
  for (const { row } of chosen) {
    part(row, ".select", HTMLButtonElement).setAttribute("aria-pressed", String(row === one.row));
  }
  tellSize();
  arrange();
}

/** @param {ChosenPicture} one */
function remove(one) {
  const place = chosen.indexOf(one);
  chosen = chosen.filter((other) => other !== one);
  one.remove();
  const next = chosen[Math.min(place, chosen.length - 1)];
  if (one === selected && next) select(next);
  if (!next) {
    selected = null;
    frame.hidden = true;
    element("invitation", HTMLElement).hidden = false;
  }
  arrange();
  (next ? part(next.row, ".select", HTMLButtonElement) : element("file", HTMLInputElement)).focus();
}

/** Show the selected picture's state: what can be done, what is under way, what was found. */
function arrange() {
  queue.hidden = chosen.length < 2;
  detectButton.disabled = isRunning || !chosen.some(isOpen);
  const isBusy = selected?.state === "sending" || selected?.state === "detecting";
  stage.setAttribute("aria-busy", String(isBusy));
  error.textContent = selected?.error || (chosen.length ? "" : error.textContent);
  if (selected?.answer) {
    showResult(selected.answer, selected);
  } else {
    clearResult();
    status.textContent = texts(status)[selected?.state ?? "empty"];
  }
}

/** @param {ChosenPicture} one */
function isOpen({ state }) {
  return state === "waiting" || state === "failed";
}

async function detectAll() {
  isRunning = true;
  const patience = setInterval(() => {
    if (selected?.state === "detecting") status.textContent = texts(status).stillBusy;
  }, STILL_BUSY_MS);
  // Those that fail are not tried again until somebody says so.
  for (const one of chosen.filter(isOpen)) {
    if (!chosen.includes(one)) continue;
    await one.detect(form.action, settings(), Number(form.dataset.maxBytes));
  }
  clearInterval(patience);
  isRunning = false;
  arrange();
}

/** @returns {import("./chosen-picture.js").Settings} */
function settings() {
  return {
    longestSide: Number(longestSide.value),
    quality: quality.valueAsNumber / 100,
    delay_ms: Number(element("delay", HTMLSelectElement).value),
    model: model?.value ?? "",
  };
}

/** Say what the upload of the selected picture would cost, before it begins. */
async function tellSize() {
  if (!selected) return;
  const one = selected;
  // A picture that cannot be copied says so when it is to be sent.
  const copy = await one.shrunk(settings()).catch(() => null);
  if (one !== selected || !copy) return;
  const { blob, width, height } = copy;
  const { naturalWidth, naturalHeight } = one.image;
  element("bytes-before", HTMLElement).textContent =
    `${naturalWidth} × ${naturalHeight}, ${bytesText(one.file.size)}`;
  element("bytes-after", HTMLElement).textContent =
    `${width} × ${height}, ${bytesText(blob.size)}`;
}

/** Other settings make another request, so every picture may be sent once more. */
function settingsChanged() {
  element("quality-text", HTMLOutputElement).value = `${quality.value} %`;
  quality.disabled = settings().longestSide === Infinity;
  tellSize();
  if (!isRunning) chosen.forEach((one) => one.reset());
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await detectAll();
  // A disabled button lost the keyboard's focus.
  if (document.activeElement === document.body) {
    element("threshold", HTMLInputElement).focus({ preventScroll: true });
  }
});
queue.addEventListener("statechange", arrange);
for (const setting of [longestSide, quality, model]) {
  setting?.addEventListener("change", settingsChanged);
}
quality.addEventListener("input", () => {
  element("quality-text", HTMLOutputElement).value = `${quality.value} %`;
});

whenFilesChosen(element("file", HTMLInputElement), stage, choose);
const photo = element("photo", HTMLInputElement);
const takePhoto = () => {
  if (photo.files?.length) choose([...photo.files]);
  photo.value = "";
};
photo.addEventListener("change", takePhoto);
// As with the other input, a photo may be there before this module runs.
queueMicrotask(takePhoto);

for (const sample of document.querySelectorAll(".sample")) {
  sample.addEventListener("click", async () => {
    const { url, name } = texts(/** @type {HTMLElement} */ (sample));
    try {
      const response = await fetch(url);
      await choose([new File([await response.blob()], name)]);
      form.scrollIntoView({ block: "nearest" });
    } catch {
      error.textContent = texts(error).unreachable;
    }
  });
}

/** A kept picture is shown as it was kept. */
async function reopen() {
  const { keptUrl } = texts(form);
  if (!keptUrl) return;
  try {
    const response = await fetch(keptUrl, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    picture.src = answer.original_url;
    frame.style.setProperty("--ratio", String(answer.image.width / answer.image.height));
    frame.hidden = false;
    element("invitation", HTMLElement).hidden = true;
    showResult(answer, null);
  } catch {
    error.textContent = texts(error).unreachable;
  }
}

settingsChanged();
reopen();
