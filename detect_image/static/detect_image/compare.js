/** A second model beside the first: its boxes on a copy of the picture, and what differs. */

import { failureText, post } from "../js/requests/api.js";
import { percent } from "../js/drawing/boxes.js";
import { colourDot } from "../js/drawing/class-chips.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, texts } from "../js/dom.js";
import { rememberControls } from "../js/memory.js";
import { showLoading } from "../js/requests/loading.js";
import { dataUrl } from "../js/files/shrink.js";
import { compareDetections } from "./differences.js";

/** @typedef {import("../js/requests/api.js").Detections} Detections */
/** @typedef {import("../js/requests/api.js").PictureAnswer} PictureAnswer */
/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */
/** @typedef {{answer: PictureAnswer, source: ChosenPicture | null}} Shown a picture with its result */
/** @typedef {import("./differences.js").Difference} Pair the box of either model, or of both */

const form = element("picture-form", HTMLFormElement);
const stage = element("stage", HTMLElement);
const choice = element("second-model", HTMLSelectElement);
const section = element("comparison", HTMLElement);
const status = element("comparison-status", HTMLElement);
const list = element("differences", HTMLElement);
const agreedList = element("agreed", HTMLElement);
const picture = element("second-picture", HTMLImageElement);

/** Results of second models by name, of each result of a first one. */
/** @type {WeakMap<PictureAnswer, Map<string, Detections>>} */
const results = new WeakMap();
let asked = new AbortController();
/** @type {{pair: Pair, row: HTMLElement}[]} */
let rows = [];

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
  const sinceMs = performance.now();
  showLoading(status, sinceMs, texts(status).detecting);
  try {
    const body = {
      image: await dataUrl(await uploadOf({ answer, source })),
      original_width: answer.image.width,
      original_height: answer.image.height,
      model,
    };
    const onLoading = () => showLoading(status, sinceMs);
    const found = await post(form.action, body, { signal, onLoading });
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

/**
 * Do not offer a model for the comparison with itself.
 * @param {string} name of the first model
 */
export function leaveOut(name) {
  for (const option of choice.options) {
    option.hidden = option.disabled = option.value === name && name !== "";
  }
  if (choice.value === name) choice.value = "";
}

/** Hide the second picture and the lists, and do not wait for them any more. */
export function hideComparison() {
  asked.abort();
  section.hidden = true;
  rows = [];
  for (const one of [list, agreedList]) one.replaceChildren();
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
 * Show the second picture beside the first, and list the visible boxes: differences, and objects
 * that both models found.
 * @param {{first: Detection[], second: Detection[], models: [string, string]}} compared
 * @param {{pictureUrl: string,
 *   highlight: (first: Detection | null, second: Detection | null) => void}} view
 */
export function showComparison({ first, second, models }, { pictureUrl, highlight }) {
  picture.src = pictureUrl;
  element("first-name", HTMLElement).textContent = `${models[0]} · ${first.length}`;
  element("second-name", HTMLElement).textContent = `${models[1]} · ${second.length}`;
  stage.classList.add("compared");
  section.hidden = false;
  const { agreed, differences } = compareDetections(first, second);
  status.textContent = texts(status).compared
    .replace("{agreed}", String(agreed.length))
    .replace("{count}", String(differences.length));
  rows = [...differences, ...agreed].map((pair) => ({ pair, row: newRow(pair, models, highlight) }));
  const elements = rows.map(({ row }) => row);
  list.replaceChildren(...elements.slice(0, differences.length));
  agreedList.replaceChildren(...elements.slice(differences.length));
}

/**
 * What a box of either model is listed with.
 * @param {Detection | null} detection
 * @returns {{pair: Pair, row: HTMLElement} | null} null without a comparison
 */
export function listed(detection) {
  if (!detection) return null;
  return rows.find(({ pair }) => pair.first === detection || pair.second === detection) ?? null;
}

/**
 * Mark the rows of boxes.
 * @param {Detection | null} first
 * @param {Detection | null} second
 */
export function markRows(first, second) {
  const marked = [listed(first)?.row, listed(second)?.row];
  for (const { row } of rows) row.classList.toggle("highlighted", marked.includes(row));
}

/**
 * @param {Pair} pair
 * @param {[string, string]} models
 * @param {(first: Detection | null, second: Detection | null) => void} highlight
 */
function newRow({ first, second }, models, highlight) {
  const item = document.createElement("li");
  item.tabIndex = 0;
  const sides = /** @type {const} */ ([[first, models[0]], [second, models[1]]]);
  if (first && second && first.class_name === second.class_name) {
    const scores = document.createElement("span");
    scores.textContent = [first, second].map(({ score }) => percent(score)).join(" · ");
    item.append(colourDot(first.class_id), shownName(first.class_name), scores);
  } else {
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
  }
  for (const event of ["mouseenter", "focus", "click"]) {
    item.addEventListener(event, () => highlight(first, second));
  }
  for (const event of ["mouseleave", "blur"]) {
    item.addEventListener(event, () => highlight(null, null));
  }
  return item;
}
