/** Adds, moves and removes lines and zones on a picture, by mouse, finger or keyboard. */

import { percent } from "../drawing/boxes.js";
import { texts } from "../dom.js";
import { RegionDrawing } from "./region-drawing.js";
import {
  MOST_REGIONS,
  drawnRegion,
  moved,
  newRegion,
  within,
  withCorner,
  withoutPoint,
} from "./regions.js";

/** @typedef {import("./regions.js").Point} Point */
/** @typedef {import("./regions.js").Region} Region */

// Shares of the picture by which the arrow keys move a point.
const STEP = 1 / 50;
const SMALL_STEP = 1 / 500;
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class RegionEditor {
  /** @type {Region[]} lines first */
  regions = [];
  /** The index of the region whose points can be moved; -1 if there is none. */
  chosen = -1;
  /** Whether the picture is shown mirrored. */
  isMirrored = false;
  /** Of the picture, in the unit of the points. */
  size = { width: 1, height: 1 };
  /** The chosen region is new: a drag on the picture draws it anew. */
  #isFresh = false;
  /** What is dragged, a point or with null all of the chosen region, and from where. */
  /** @type {{point: number | null, from: Point} | null} */
  #drag = null;

  /**
   * @param {SVGSVGElement} svg over the picture; has the texts
   * @param {object} actions
   * @param {(isFinal: boolean) => void} actions.changed the regions were changed; not final while
   *   they are dragged
   * @param {(text: string) => void} actions.announce
   */
  constructor(svg, actions) {
    this.svg = svg;
    this.actions = actions;
    this.drawing = new RegionDrawing(svg);
    svg.addEventListener("pointerdown", (event) => this.#press(event));
    svg.addEventListener("pointermove", (event) => this.#move(event));
    svg.addEventListener("pointerup", () => this.#release());
    svg.addEventListener("pointercancel", () => this.#release());
    svg.addEventListener("keydown", (event) => this.#key(event));
    // It would play or pause.
    svg.addEventListener("click", (event) => event.stopPropagation());
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** @param {Region["kind"]} kind */
  count(kind) {
    return this.regions.filter((region) => region.kind === kind).length;
  }

  /**
   * @param {number} index of a region
   * @returns {string} such as `Line 1`
   */
  name(index) {
    const { kind } = this.regions[index];
    const number = index + 1 - (kind === "zone" ? this.count("line") : 0);
    return texts(this.svg)[kind].replace("{number}", String(number));
  }

  /**
   * Show other regions.
   * @param {Region[]} regions lines first
   */
  show(regions) {
    this.regions = regions;
    this.chosen = -1;
    this.draw();
  }

  draw() {
    const { regions, chosen, isMirrored } = this;
    this.svg.classList.toggle("drawing", this.#isFresh);
    this.drawing.draw({
      regions,
      chosen,
      isMirrored,
      toScreen: (point) => this.#toScreen(point),
      name: (index) => this.name(index),
      pointText: (index, at) => this.#pointText(index, at),
    });
  }

  /**
   * Add a line or a zone in the middle of the picture, where a drag draws it anew.
   * @param {Region["kind"]} kind
   */
  add(kind) {
    const before = this.count(kind);
    if (before >= MOST_REGIONS) return;
    const added = newRegion(kind, this.size, before);
    this.regions = [...this.regions, added].sort((one, other) => one.kind.localeCompare(other.kind));
    this.#isFresh = true;
    this.choose(this.regions.indexOf(added));
    this.#finish("added");
  }

  /**
   * Make the points of a region movable.
   * @param {number} index
   * @param {number} [point] the one to focus
   */
  choose(index, point = 0) {
    this.chosen = index;
    this.draw();
    this.drawing.focus(point);
  }

  /**
   * @param {number} index
   * @param {Region | null} region null removes it
   */
  replace(index, region) {
    const name = this.name(index);
    this.regions = this.regions.flatMap((other, at) => (at !== index ? [other] : region ? [region] : []));
    if (region) {
      this.draw();
      return;
    }
    this.#isFresh = false;
    this.show(this.regions);
    this.#finish("removed", name);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    const { target } = event;
    if (event.button !== 0 || !(target instanceof SVGElement)) return;
    const { region, point = null } = target.dataset;
    if (region === undefined && !this.#isFresh) return;
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    this.#drag = { point: point === null ? null : Number(point), from: this.#toPicture(event) };
    if (region === undefined) return;
    this.#isFresh = false;
    this.choose(Number(region), this.#drag.point ?? 0);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#drag) return;
    const { point, from } = this.#drag;
    const to = this.#toPicture(event);
    const region = this.regions[this.chosen];
    if (this.#isFresh) {
      this.replace(this.chosen, drawnRegion(region, from, to, this.size));
    } else {
      this.#drag.from = to;
      this.replace(this.chosen, moved(region, point, [to[0] - from[0], to[1] - from[1]], this.size));
    }
    this.actions.changed(false);
  }

  #release() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#isFresh = false;
    this.draw();
    this.#finish("moved");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = pointOf(event.target);
    if (at === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const region = this.regions[this.chosen];
    const direction = DIRECTIONS[event.key];
    this.#isFresh = false;
    if (direction) {
      const step = event.shiftKey ? SMALL_STEP : STEP;
      const { width, height } = this.size;
      const right = direction[0] * (this.isMirrored ? -1 : 1);
      const by = /** @type {Point} */ ([right * step * width, direction[1] * step * height]);
      this.replace(this.chosen, moved(region, at, by, this.size));
      this.actions.announce(this.#pointText(this.chosen, at));
      this.actions.changed(true);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.#change(withoutPoint(region, at), at - 1);
    } else if (event.key === "Enter") {
      this.#change(withCorner(region, at), at + 1);
    } else {
      return;
    }
    event.preventDefault();
    // Nor shall the player move.
    event.stopPropagation();
  }

  /**
   * Give the chosen region fewer or more points.
   * @param {Region | null} region null if it is removed
   * @param {number} point the one to focus
   */
  #change(region, point) {
    this.replace(this.chosen, region);
    if (!region) return;
    this.drawing.focus(Math.max(0, Math.min(point, region.points.length - 1)));
    this.#finish("moved");
  }

  /**
   * @param {"added" | "moved" | "removed"} text
   * @param {string} [name]
   */
  #finish(text, name = this.name(this.chosen)) {
    this.actions.announce(texts(this.svg)[text].replace("{name}", name));
    this.actions.changed(true);
  }

  /**
   * @param {number} index
   * @param {number} at
   */
  #pointText(index, at) {
    const { points } = this.regions[index];
    const [x, y] = points[at];
    return texts(this.svg)
      .point.replace("{name}", this.name(index))
      .replace("{point}", String(at + 1))
      .replace("{count}", String(points.length))
      .replace("{x}", percent(x / this.size.width))
      .replace("{y}", percent(y / this.size.height));
  }

  /** @param {Point} point @returns {Point} in CSS pixels */
  #toScreen([x, y]) {
    const { width, height } = this.svg.getBoundingClientRect();
    const across = x / this.size.width;
    return [(this.isMirrored ? 1 - across : across) * width, (y / this.size.height) * height];
  }

  /** @param {PointerEvent} event @returns {Point} within the picture */
  #toPicture({ clientX, clientY }) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    const across = (clientX - left) / width;
    const x = (this.isMirrored ? 1 - across : across) * this.size.width;
    return within([x, ((clientY - top) / height) * this.size.height], this.size);
  }
}

/**
 * @param {EventTarget | null} target
 * @returns {number | null} the index of a focused point
 */
function pointOf(target) {
  if (!(target instanceof SVGElement) || target.dataset.point === undefined) return null;
  return Number(target.dataset.point);
}
