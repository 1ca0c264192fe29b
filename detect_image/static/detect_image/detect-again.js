/** The page of a stored picture: detects again with another model, whose result replaces it. */

import { failureText, post } from "../js/requests/api.js";
import { element, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";

const form = element("again-form", HTMLFormElement);
const model = element("again-model", HTMLSelectElement);
const button = element("again", HTMLButtonElement);
const status = element("again-status", HTMLElement);
const error = element("again-error", HTMLElement);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  error.textContent = "";
  const sinceMs = performance.now();
  showLoading(status, sinceMs, texts(status).detecting);
  try {
    const { signal } = new AbortController();
    const onLoading = () => showLoading(status, sinceMs);
    await post(form.action, { model: model.value }, { signal, onLoading });
    location.reload();
  } catch (reason) {
    error.textContent = failureText(reason, texts(error).unreachable);
    status.textContent = texts(status).replaces;
    button.disabled = false;
  }
});
