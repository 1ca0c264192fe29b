/** The page of a stored picture: detects again with another model, whose result replaces it. */

import { failureText, post } from "../js/requests/api.js";
import { element, texts } from "../js/dom.js";

const form = element("again-form", HTMLFormElement);
const model = element("again-model", HTMLSelectElement);
const button = element("again", HTMLButtonElement);
const status = element("again-status", HTMLElement);
const error = element("again-error", HTMLElement);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  error.textContent = "";
  status.textContent = texts(status).detecting;
  try {
    const { signal } = new AbortController();
    await post(form.action, { model: model.value }, { signal });
    location.reload();
  } catch (reason) {
    error.textContent = failureText(reason, texts(error).unreachable);
    status.textContent = texts(status).replaces;
    button.disabled = false;
  }
});
