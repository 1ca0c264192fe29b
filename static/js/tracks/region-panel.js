/** The lines and zones of a page: the buttons and the list beside the picture, and what they count. */

import { shownName } from "../drawing/class-names.js";
import { element, part, texts } from "../dom.js";
import { RegionEditor } from "./region-editor.js";
import { MOST_REGIONS, turned } from "./regions.js";

/** @typedef {import("./regions.js").Region} Region */
/** @typedef {import("./regions.js").Size} Size */
/**
 * What a line counts of a class, or a zone: how many are in it `now`, and how many have entered it.
 * @typedef {object} ClassCount
 * @property {string} class_name
 * @property {number} [in]
 * @property {number} [out]
 * @property {number} [now]
 * @property {number} [entries]
 * @property {number} [mean_dwell_s]
 * @property {number} [longest_dwell_s]
 */

const addLine = element("add-line", HTMLButtonElement);
const addZone = element("add-zone", HTMLButtonElement);
const help = element("regions-help", HTMLElement);
const list = element("region-list", HTMLElement);
const template = element("region-row", HTMLTemplateElement);
const said = element("regions-said", HTMLElement);

export class RegionPanel {
  /** @type {ClassCount[][]} */
  #counts = [];

  /** @param {(isFinal: boolean) => void} changed the regions were changed; not final during a drag */
  constructor(changed) {
    const svg = /** @type {SVGSVGElement | null} */ (document.querySelector("#regions"));
    if (!svg) throw new TypeError("This page needs an SVG with the id regions.");
    this.svg = svg;
    this.editor = new RegionEditor(svg, {
      changed: (isFinal) => {
        this.#update();
        // The element with the focus may have been removed with its region.
        if (isFinal && document.activeElement === document.body) addLine.focus({ preventScroll: true });
        changed(isFinal);
      },
      announce(text) {
        said.textContent = text;
      },
    });
    addLine.addEventListener("click", () => this.editor.add("line"));
    addZone.addEventListener("click", () => this.editor.add("zone"));
    this.#update();
  }

  get regions() {
    return this.editor.regions;
  }

  /** @param {boolean} isShown whether the regions are drawn over the picture */
  toggle(isShown) {
    this.svg.toggleAttribute("hidden", !isShown);
    this.editor.draw();
  }

  /**
   * @param {Region[]} regions lines first
   * @param {Size} size of the picture, in the unit of the points
   */
  show(regions, size) {
    this.editor.size = size;
    this.editor.show(regions);
    this.#update();
  }

  /** @param {ClassCount[][]} counts of each region, by class */
  showCounts(counts) {
    this.#counts = counts;
    this.#update();
  }

  #update() {
    const { editor, regions } = this;
    addLine.disabled = editor.count("line") >= MOST_REGIONS;
    addZone.disabled = editor.count("zone") >= MOST_REGIONS;
    help.hidden = regions.length === 0;
    while (list.children.length > regions.length) list.lastElementChild?.remove();
    while (list.children.length < regions.length) list.append(this.#newRow());
    regions.forEach((region, index) => this.#updateRow(index, region));
  }

  #newRow() {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const row = part(copy, "li", HTMLElement);
    const index = () => [...list.children].indexOf(row);
    /** @param {string} selector @param {(index: number) => void} action */
    const onClick = (selector, action) =>
      part(row, selector, HTMLElement).addEventListener("click", () => action(index()));
    onClick(".choose", (at) => this.editor.choose(at));
    onClick(".turn", (at) => {
      this.editor.replace(at, turned(this.regions[at]));
      this.editor.actions.changed(true);
    });
    onClick(".remove", (at) => this.editor.replace(at, null));
    return row;
  }

  /**
   * @param {number} index
   * @param {Region} region
   */
  #updateRow(index, { kind }) {
    const row = /** @type {HTMLElement} */ (list.children[index]);
    const name = this.editor.name(index);
    setText(part(row, ".choose", HTMLElement), name);
    part(row, ".turn", HTMLElement).hidden = kind === "zone";
    for (const button of row.querySelectorAll("button:not(.choose)")) {
      button.ariaLabel = `${button.textContent}: ${name}`;
    }
    const counts = this.#counts[index] ?? [];
    setText(part(row, ".counted", HTMLElement), countText(kind, counts));
    const isAny = (/** @type {ClassCount} */ count) => count.in || count.out || count.now || count.entries;
    const byClass = counts.filter(isAny).map((count) => {
      return `${shownName(count.class_name)}${texts(list).colon}${countText(kind, [count])}`;
    });
    setText(part(row, "small", HTMLElement), byClass.join(texts(list).comma));
  }
}

/**
 * @param {Region["kind"]} kind
 * @param {ClassCount[]} counts
 * @returns {string} the sum over the classes, such as `in 3 · out 2`
 */
function countText(kind, counts) {
  /** @param {"in" | "out" | "now" | "entries"} field */
  const sum = (field) => counts.reduce((total, count) => total + (count[field] ?? 0), 0);
  if (kind === "line") {
    const { lineCount } = texts(list);
    return lineCount.replace("{in}", String(sum("in"))).replace("{out}", String(sum("out")));
  }
  const { zoneCount, dwell } = texts(list);
  const entries = sum("entries");
  const text = zoneCount.replace("{now}", String(sum("now"))).replace("{entries}", String(entries));
  const stays = counts.filter(({ mean_dwell_s }) => mean_dwell_s !== undefined);
  if (!stays.length || !entries) return text;
  const total = stays.reduce((sum, count) => sum + (count.mean_dwell_s ?? 0) * (count.entries ?? 0), 0);
  const longest = Math.max(...stays.map(({ longest_dwell_s }) => longest_dwell_s ?? 0));
  const stay = dwell.replace("{mean}", (total / entries).toFixed(1)).replace("{longest}", longest.toFixed(1));
  return `${text} · ${stay}`;
}

/**
 * Change a text only if it is another one.
 * @param {HTMLElement} holder
 * @param {string} text
 */
function setText(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}
