/** Texts such as "Loading the model… 12s", which count the seconds until another text replaces them. */

import { texts } from "../dom.js";
import { secondsText } from "../times.js";

const INTERVAL_MS = 1000;

/**
 * Show an element's `data-loading` text, or another one, with the seconds since a moment. Screen
 * readers announce the text once, as a timer inside of a live region is silent.
 * @param {HTMLElement} holder
 * @param {number} sinceMs on the clock of `performance.now()`
 * @param {string} [text]
 */
export function showLoading(holder, sinceMs, text = texts(holder).loading) {
  const shown = holder.firstElementChild;
  const key = `${sinceMs} ${text}`;
  if (shown instanceof HTMLElement && shown.dataset.key === key) return;
  const timer = document.createElement("span");
  timer.setAttribute("role", "timer");
  timer.dataset.key = key;
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
