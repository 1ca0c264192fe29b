/** The queue's progress, its scroll hints, and the download of all results. */

import { element, texts } from "../js/dom.js";
import { saveFile } from "../js/files/save-file.js";
import { archive } from "./downloads.js";
import { drawnJpeg, shownPart } from "./result.js";

/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */

const bar = element("queue-bar", HTMLElement);
const queue = element("queue", HTMLElement);
const progress = element("progress", HTMLElement);
const downloadAll = element("download-all", HTMLButtonElement);

/** @type {ChosenPicture[]} */
let pictures = [];
let isPacking = false;

/** @param {ChosenPicture[]} chosen */
export function showQueue(chosen) {
  pictures = chosen;
  queue.hidden = pictures.length === 0;
  bar.hidden = pictures.length < 2;
  const done = pictures.filter(({ answer }) => answer).length;
  downloadAll.disabled = !done || isPacking;
  if (!isPacking) {
    showProgress("progress", done, pictures.length);
    const failed = pictures.filter(({ state }) => state === "failed").length;
    if (failed) progress.append(` · ${texts(progress).failed.replace("{count}", String(failed))}`);
  }
  hintScroll();
}

/**
 * @param {string} text its key in the element's `data-*`
 * @param {number} done
 * @param {number} count
 */
function showProgress(text, done, count) {
  progress.textContent = texts(progress)
    [text].replace("{done}", String(done))
    .replace("{count}", String(count));
}

/** Mark the edges beyond which there are more cards. */
function hintScroll() {
  const { scrollLeft, scrollWidth, clientWidth } = queue;
  queue.classList.toggle("more-before", scrollLeft > 1);
  queue.classList.toggle("more-after", scrollLeft + clientWidth < scrollWidth - 1);
}

/** Download an archive of all results, with the current filters applied. */
async function packAll() {
  const results = pictures.flatMap(({ file, image, answer }) =>
    answer
      ? [{ name: file.name, found: shownPart(answer), drawn: () => drawnJpeg(image, answer) }]
      : [],
  );
  isPacking = true;
  showQueue(pictures);
  let failure = "";
  try {
    const packed = await archive(results, (index) => showProgress("packing", index + 1, results.length));
    saveFile(packed, "pictures.zip");
  } catch {
    failure = texts(progress).notDrawn;
  }
  isPacking = false;
  showQueue(pictures);
  if (failure) progress.textContent = failure;
}

queue.addEventListener("scroll", hintScroll);
new ResizeObserver(hintScroll).observe(queue);
downloadAll.addEventListener("click", packAll);
