/** The detector's state in the page's header: waits until the model is loaded. */

import { requestJson } from "./api.js";
import { delay } from "./delay.js";
import { element, texts } from "../dom.js";

const POLL_INTERVAL_MS = 2000;

const line = element("detector-status", HTMLElement);

async function waitUntilLoaded() {
  const { name, modelsUrl } = texts(line);
  while (line.dataset.state === "loading") {
    await delay(POLL_INTERVAL_MS, new AbortController().signal);
    try {
      /** @type {{name: string, state: string}[]} */
      const models = await requestJson(modelsUrl);
      line.dataset.state = models.find((model) => model.name === name)?.state;
    } catch {
      // The server cannot be reached; it may answer the next request.
    }
  }
}

waitUntilLoaded();
