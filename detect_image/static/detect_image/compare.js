/** A second model beside the first: its boxes on a copy of the picture, and the differences. */

import { failureText, post } from "../js/requests/api.js";
import { percent } from "../js/drawing/boxes.js";
import { colourDot } from "../js/drawing/class-chips.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, texts } from "../js/dom.js";
import { rememberControls } from "../js/memory.js";
import { dataUrl } from "../js/files/shrink.js";
import { compareDetections } from "./differences.js";

/** @typedef {import("../js/requests/api.js").Detections} Detections */
/** @typedef {import("../js/requests/api.js").PictureAnswer} PictureAnswer */
/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */
/** @typedef {{answer: PictureAnswer, source: ChosenPicture | null}} Shown a picture with its result */

const form = element("picture-form", HTMLFormElement);
const stage = element("stage", HTMLElement);
const choice = element("second-model", HTMLSelectElement);
const section = element("comparison", HTMLElement);
const status = element("comparison-status", HTMLElement);
const list = element("differences", HTMLElement);
const picture = element("second-picture", HTMLImageElement);
const frame = element("second-frame", HTMLElement);

/** Results of second models by name, of each result of a first one. */
/** @type {WeakMap<PictureAnswer, Map<string, Detections>>} */
const results = new WeakMap();
let asked = new AbortController();

rememberControls("picture", [choice], "sessionStorage");

/**
 * Detect with the chosen second model in the picture of a result, unless it is known.
 * @param {Shown} shown
 * @returns {Promise<Detections | null>} null without a second model, if it failed, or if another
 *   picture or model was chosen meanwhile
 */
export async function secondResult({ answer, source }) {
  hideComparison();
  asked = new AbortController();
  const { signal } = asked;
  const model = choice.value;
  if (!model || model === answer.model) return null;
  const known = results.get(answer) ?? new Map();
  results.set(answer, known);
  if (known.has(model)) return known.get(model);
  section.hidden = false;
  status.textContent = texts(status).detecting;
  try {
    const body = {
      image: await dataUrl(await uploadOf({ answer, source })),
      original_width: answer.image.width,
      original_height: answer.image.height,
      model,
    };
    const found = await post(form.action, body, { signal });
    known.set(model, found);
    return signal.aborted ? null : found;
  } catch (reason) {
    if (!signal.aborted) status.textContent = failureText(reason, texts(status).unreachable);
    return null;
  }
}

/** @param {() => void} changed is called when another second model is chosen */
export function whenSecondModelChosen(changed) {
  choice.addEventListener("change", changed);
}

/** Hide the second picture and the differences, and do not wait for them any more. */
export function hideComparison() {
  asked.abort();
  section.hidden = true;
  list.replaceChildren();
  stage.classList.remove("compared");
}

/**
 * The file that the first model has received.
 * @param {Shown} shown
 * @returns {Promise<Blob>}
 */
async function uploadOf({ answer, source }) {
  if (!source) return (await fetch(answer.original_url ?? "")).blob();
  const longestSide = Number(element("longest-side", HTMLSelectElement).value);
  const quality = element("quality", HTMLInputElement).valueAsNumber / 100;
  return (await source.shrunk({ longestSide, quality })).blob;
}

/**
 * Show the second picture beside the first, and list the differences between the visible boxes.
 * @param {{first: Detection[], second: Detection[], models: [string, string]}} compared
 * @param {{pictureUrl: string, ratio: number,
 *   highlight: (first: Detection | null, second: Detection | null) => void}} view
 */
export function showComparison({ first, second, models }, { pictureUrl, ratio, highlight }) {
  picture.src = pictureUrl;
  frame.style.setProperty("--ratio", String(ratio));
  element("first-name", HTMLElement).textContent = models[0];
  element("second-name", HTMLElement).textContent = models[1];
  stage.classList.add("compared");
  section.hidden = false;
  const { agreed, differences } = compareDetections(first, second);
  status.textContent = texts(status).compared
    .replace("{agreed}", String(agreed))
    .replace("{count}", String(differences.length));
  list.replaceChildren(...differences.map((one) => row(one, models, highlight)));
}

/**
 * @param {import("./differences.js").Difference} difference
 * @param {[string, string]} models
 * @param {(first: Detection | null, second: Detection | null) => void} highlight
 */
function row({ first, second }, models, highlight) {
  const item = document.createElement("li");
  item.tabIndex = 0;
  const sides = /** @type {const} */ ([[first, models[0]], [second, models[1]]]);
  const name = document.createElement("div");
  for (const [detection, model] of sides) {
    if (!detection) continue;
    const line = document.createElement("p");
    const only = first && second ? model : texts(list).only.replace("{model}", () => model);
    const score = document.createElement("small");
    score.textContent = `${only} · ${percent(detection.score)}`;
    line.append(colourDot(detection.class_id), shownName(detection.class_name), score);
    name.append(line);
  }
  item.append(name);
  for (const event of ["mouseenter", "focus", "click"]) {
    item.addEventListener(event, () => highlight(first, second));
  }
  for (const event of ["mouseleave", "blur"]) {
    item.addEventListener(event, () => highlight(null, null));
  }
  return item;
}
