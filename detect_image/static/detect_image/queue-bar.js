/** The queue as a whole: how many are done, what there is to scroll to, and one archive of all. */

import { element, texts } from "../js/dom.js";
import { archive, save } from "./downloads.js";
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
  if (!isPacking) tell("progress", done, pictures.length);
  hintScroll();
}

/**
 * @param {string} text which one of the element's
 * @param {number} done
 * @param {number} count
 */
function tell(text, done, count) {
  progress.textContent = texts(progress)
    [text].replace("{done}", String(done))
    .replace("{count}", String(count));
}

/** Fade the cards at an edge beyond which there are more. */
function hintScroll() {
  const { scrollLeft, scrollWidth, clientWidth } = queue;
  queue.classList.toggle("more-before", scrollLeft > 1);
  queue.classList.toggle("more-after", scrollLeft + clientWidth < scrollWidth - 1);
}

/** Every picture that has a result, with its boxes as they are shown. */
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
    const packed = await archive(results, (index) => tell("packing", index + 1, results.length));
    save(packed, "pictures.zip");
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
