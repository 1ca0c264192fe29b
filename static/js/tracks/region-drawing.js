/** Draws lines and zones as SVG over the picture, and the points of the chosen one as buttons. */

import { arrowIn } from "./regions.js";

/** @typedef {import("./regions.js").Point} Point */
/** @typedef {import("./regions.js").Region} Region */

const SVG = "http://www.w3.org/2000/svg";
// In CSS pixels.
const ARROW = 24;
const POINT = 7;
const TOUCHED_POINT = 20;
const NAME_WIDTH = 60;
const MARGIN = 4;

/**
 * @typedef {object} View
 * @property {Region[]} regions
 * @property {number} chosen the index of the one with movable points; -1 if there is none
 * @property {boolean} isMirrored
 * @property {(point: Point) => Point} toScreen in CSS pixels
 * @property {(region: number) => string} name
 * @property {(region: number, point: number) => string} pointText
 */

export class RegionDrawing {
  /**
   * The elements by what they show: they are kept, as they may be focused.
   * @type {Map<string, SVGElement>}
   */
  #nodes = new Map();
  #shapes = document.createElementNS(SVG, "g");
  // Above all shapes, so that each can be grasped.
  #points = document.createElementNS(SVG, "g");
  /** @type {Set<string>} */
  #used = new Set();
  /** How far to the right a name may begin. */
  #mostRight = 0;

  /** @param {SVGSVGElement} svg as large as the picture */
  constructor(svg) {
    this.svg = svg;
    svg.append(this.#shapes, this.#points);
  }

  /** @param {View} view */
  draw(view) {
    const { width, height } = this.svg.getBoundingClientRect();
    this.svg.setAttribute("viewBox", `0 0 ${width || 1} ${height || 1}`);
    this.#mostRight = Math.max(MARGIN, width - NAME_WIDTH);
    this.#used = new Set();
    view.regions.forEach((region, index) => this.#drawRegion(region, index, view));
    view.regions[view.chosen]?.points.forEach((point, at) => this.#drawPoint(point, at, view));
    for (const [key, node] of this.#nodes) {
      if (this.#used.has(key)) continue;
      node.remove();
      this.#nodes.delete(key);
    }
  }

  /** @param {number} at the index of a point of the chosen region */
  focus(at) {
    this.#nodes.get(`point ${at}`)?.focus();
  }

  /**
   * @param {Region} region
   * @param {number} index
   * @param {View} view
   */
  #drawRegion({ kind, points }, index, { chosen, isMirrored, toScreen, name }) {
    const onScreen = points.map(toScreen);
    const outline = { points: onScreen.join(" "), "data-region": String(index) };
    const mark = index === chosen ? " chosen" : "";
    // The invisible edge is wide enough for a finger.
    for (const part of ["edge", "shape"]) {
      const key = `${part} ${kind} ${index}`;
      const tag = kind === "line" ? "polyline" : "polygon";
      this.#put(this.#shapes, key, tag, { ...outline, class: `${part} ${kind}${mark}` });
    }
    if (kind === "line") {
      const [from, to] = arrowIn(onScreen, isMirrored ? -ARROW : ARROW);
      const path = { class: `arrow${mark}`, d: `M${from} L${to}` };
      this.#put(this.#shapes, `arrow ${index}`, "path", { ...path, "marker-end": "url(#arrow-head)" });
    }
    const [x, y] = onScreen[0];
    const left = Math.max(MARGIN, Math.min(x + 10, this.#mostRight));
    const place = { x: String(left), y: String(Math.max(18, y - 10)) };
    const label = this.#put(this.#shapes, `name ${index}`, "text", { class: "region-name", ...place });
    label.textContent = name(index);
  }

  /**
   * @param {Point} point
   * @param {number} at
   * @param {View} view
   */
  #drawPoint(point, at, { chosen, toScreen, pointText }) {
    const [cx, cy] = toScreen(point).map(String);
    const place = { cx, cy, "data-region": String(chosen), "data-point": String(at) };
    const touch = { ...place, r: String(TOUCHED_POINT), class: "touch" };
    this.#put(this.#points, `touch ${at}`, "circle", touch);
    this.#put(this.#points, `point ${at}`, "circle", {
      ...place,
      r: String(POINT),
      class: "point",
      tabindex: "0",
      role: "button",
      "aria-label": pointText(chosen, at),
    });
  }

  /**
   * Create an element, or change the one with the same key.
   * @param {SVGElement} parent
   * @param {string} key
   * @param {string} tag
   * @param {Record<string, string>} attributes
   * @returns {SVGElement}
   */
  #put(parent, key, tag, attributes) {
    this.#used.add(key);
    let node = this.#nodes.get(key);
    if (!node) {
      node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
      this.#nodes.set(key, node);
      parent.append(node);
    }
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }
}
