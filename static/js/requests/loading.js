/** The text "Loading the model… 12s", which counts the seconds until another text replaces it. */

import { texts } from "../dom.js";
import { secondsText } from "../times.js";

const INTERVAL_MS = 1000;

/**
 * Show an element's `data-loading` text with the seconds since a moment. Screen readers announce
 * the text once, as a timer inside of a live region is silent.
 * @param {HTMLElement} holder
 * @param {number} sinceMs on the clock of `performance.now()`
 */
export function showLoading(holder, sinceMs) {
  const text = texts(holder).loading;
  const shown = holder.firstElementChild;
  if (shown instanceof HTMLElement && shown.dataset.sinceMs === String(sinceMs)) return;
  const timer = document.createElement("span");
  timer.setAttribute("role", "timer");
  timer.dataset.sinceMs = String(sinceMs);
  const count = () => {
    timer.textContent = secondsText((performance.now() - sinceMs) / 1000);
  };
  count();
  holder.replaceChildren(`${text} `, timer);
  const interval = setInterval(() => {
    if (timer.parentElement === holder) count();
    else clearInterval(interval);
  }, INTERVAL_MS);
}
