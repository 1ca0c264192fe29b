/** Detecting again with another model, whose results replace those of the video. */

import { failureText, requestJson } from "../js/requests/api.js";
import { element, texts } from "../js/dom.js";
import { remembered } from "../js/memory.js";
import { isActive } from "./video.js";

/** @typedef {import("./video.js").Video} Video */

const form = element("again-form", HTMLFormElement);
const model = element("again-model", HTMLSelectElement);
const button = element("again", HTMLButtonElement);
const error = element("state-error", HTMLElement);

/** @type {Video | null} */
let video = null;

/** @param {Video} current */
export function showDetectAgain(current) {
  // A file that was uploaded before is opened with its results, whatever model was chosen for it.
  if (!video) choose(remembered("video.model", "sessionStorage") ?? current.model);
  video = current;
  form.hidden = isActive(current);
}

/** @param {string} name */
function choose(name) {
  const names = [...model.options].map(({ value }) => value);
  model.selectedIndex = Math.max(0, names.indexOf(name));
}

/** @param {(video: Video) => void} discarded is called with the queued video, without results */
export function whenDetectedAgain(discarded) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!video) return;
    button.disabled = true;
    try {
      const body = { model: model.value };
      discarded(await requestJson(video.urls.detect_again, { method: "POST", body }));
    } catch (failure) {
      error.textContent = failureText(failure, texts(error).unreachable);
    }
    button.disabled = false;
  });
}
