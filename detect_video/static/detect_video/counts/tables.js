/** The totals of each class, and the list of all crossings. */

import { colourDot } from "../../js/drawing/class-chips.js";
import { shownName } from "../../js/drawing/class-names.js";
import { element, texts } from "../../js/dom.js";
import { timeText } from "../video.js";

/** @typedef {import("./counts.js").Counts} Counts */
/** @typedef {import("./counts.js").Happening} Happening */

// More would make the page slow; a button shows the next ones.
const ROWS_AT_ONCE = 200;

const totals = element("totals", HTMLElement);
const list = element("crossings", HTMLElement);
const more = element("more-crossings", HTMLButtonElement);
const section = element("crossings-section", HTMLElement);

/** @param {Counts["classes"]} classes */
export function showTotals(classes) {
  const rows = classes.map(({ class_id, class_name, objects, longest_stay_s, most_at_once }) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.append(colourDot(class_id), " ", shownName(class_name));
    const stay = texts(totals).seconds.replace("{seconds}", longest_stay_s.toFixed(1));
    const values = [String(objects), stay, String(most_at_once)].map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    });
    row.append(name, ...values);
    return row;
  });
  totals.replaceChildren(...rows);
  element("no-totals", HTMLElement).hidden = rows.length > 0;
}

/** @type {Happening[]} */
let shown = [];
/** @type {(region: number) => string} */
let nameOf = () => "";

/**
 * List crossings and entries. A long list is shown in parts. Rows are used again, so that one keeps
 * the focus.
 * @param {Happening[]} events
 * @param {(region: number) => string} regionName
 */
export function showCrossings(events, regionName) {
  shown = events;
  nameOf = regionName;
  showRows(Math.max(ROWS_AT_ONCE, list.children.length));
  section.hidden = events.length === 0;
  element("crossings-count", HTMLElement).textContent = String(events.length);
}

/** @param {number} count how many rows are shown at most */
function showRows(count) {
  const events = shown.slice(0, count);
  while (list.children.length > events.length) list.lastElementChild?.remove();
  for (const [index, event] of events.entries()) {
    if (index === list.children.length) list.append(newRow());
    const button = /** @type {HTMLElement} */ (list.children[index].firstElementChild);
    const text = eventText(event);
    const key = [event.frame_index, event.class_id, text].join();
    if (button.dataset.key === key) continue;
    button.dataset.key = key;
    button.dataset.frame = String(event.frame_index);
    const time = document.createElement("span");
    time.textContent = timeText(event.pts_s);
    button.replaceChildren(time, colourDot(event.class_id), text);
  }
  more.hidden = events.length === shown.length;
}

function newRow() {
  const row = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  row.append(button);
  return row;
}

/**
 * @param {Happening} event
 * @returns {string} such as `dog #7 · Line 1 · in`
 */
function eventText(event) {
  const { goesIn, goesOut, enters } = texts(list);
  const isCrossing = "direction" in event;
  const what = isCrossing ? (event.direction === "in" ? goesIn : goesOut) : enters;
  const stay = isCrossing ? "" : texts(totals).seconds.replace("{seconds}", event.dwell_s.toFixed(1));
  const parts = [`${shownName(event.class_name)} #${event.track_id}`, nameOf(event.region), what, stay];
  return parts.filter(Boolean).join(" · ");
}

/** @param {(frameIndex: number) => void} seek is called with the frame of a crossing that is chosen */
export function whenCrossingChosen(seek) {
  list.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("button") : null;
    if (button) seek(Number(button.dataset.frame));
  });
  more.addEventListener("click", () => showRows(list.children.length + ROWS_AT_ONCE));
}
