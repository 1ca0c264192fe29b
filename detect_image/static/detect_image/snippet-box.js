/** Shows the last request as code, to be copied into other programs. */

import { element, texts } from "../js/dom.js";
import { SNIPPETS } from "./snippets.js";

/** @typedef {import("./chosen-picture.js").ChosenPicture} ChosenPicture */

const box = element("snippet-box", HTMLElement);
const snippet = element("snippet", HTMLElement);
const language = element("language", HTMLSelectElement);
const copyButton = element("copy", HTMLButtonElement);

/** @type {ChosenPicture | null} */
let sent = null;

/** @param {ChosenPicture | null} picture the uploaded one; null for a stored one */
export function showSnippet(picture) {
  sent = picture;
  box.hidden = !sent;
  fill();
}

function fill() {
  if (!sent) return;
  const url = element("picture-form", HTMLFormElement).action;
  const request = { url, fileName: sent.file.name, fields: sent.fields };
  snippet.textContent = SNIPPETS[language.value](request);
  copyButton.textContent = texts(copyButton).copy;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(snippet.textContent ?? "");
    copyButton.textContent = texts(copyButton).copied;
  } catch {
    // The clipboard needs a secure context. Otherwise, the user can copy the selection.
    getSelection()?.selectAllChildren(snippet);
    copyButton.textContent = texts(copyButton).selected;
  }
}

language.addEventListener("change", fill);
copyButton.addEventListener("click", copy);
