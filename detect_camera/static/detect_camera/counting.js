/** Tracks, and what crosses lines and enters zones, before the camera: in this session only. */

import { shownName } from "../js/drawing/class-names.js";
import { element, texts } from "../js/dom.js";
import { remember, rememberControls, remembered } from "../js/memory.js";
import { Latest } from "../js/requests/latest.js";
import { RegionPanel } from "../js/tracks/region-panel.js";
import { flat, unflat } from "../js/tracks/regions.js";
import { filters, mirror } from "./frame-view.js";

/** @typedef {import("../js/tracks/region-panel.js").ClassCount} ClassCount */
/** @typedef {import("./camera-socket.js").ByClass} ByClass */

const REGIONS_KEY = "camera.regions";
const CHANGE_DELAY_MS = 150;
const MOST_CROSSINGS = 50;
// The frames have different sizes, so the points are shares of them.
const SHARES = { width: 1, height: 1 };
const DIGITS = 4;

const panel = element("counting", HTMLDetailsElement);
const tracks = element("show-tracks", HTMLInputElement);
const list = element("crossings", HTMLElement);

export class Counting {
  /** @type {Map<string, string>} by class id */
  #classNames = new Map();
  #sending = new Latest();

  /** @param {(settings: object) => void} send sends settings if there is a connection */
  constructor(send) {
    this.send = send;
    this.regions = new RegionPanel((isFinal) => this.#regionsChanged(isFinal));
    this.regions.show(unflat(rememberedRegions()), SHARES);
    rememberControls("camera", [tracks]);
    tracks.addEventListener("change", () => this.#changed(0));
    panel.addEventListener("toggle", () => {
      this.regions.toggle(panel.open);
      this.#changed(0);
    });
    filters.thresholdSlider.addEventListener("input", () => this.#changed(CHANGE_DELAY_MS));
    mirror.addEventListener("input", () => this.#mirrored());
    this.#mirrored();
  }

  /** The settings of a connection; null while nothing shall be tracked, which is how it begins. */
  get firstSettings() {
    return panel.open ? this.#settings() : null;
  }

  #settings() {
    const isOpen = panel.open;
    return {
      type: "settings",
      tracks: isOpen && tracks.checked,
      score_threshold: filters.threshold,
      ...flat(isOpen ? this.regions.regions : [], DIGITS),
    };
  }

  /** @param {import("./camera-socket.js").FrameResult} result of the frame that is shown */
  show({ detections, counts }) {
    for (const { class_id, class_name } of detections) this.#classNames.set(String(class_id), class_name);
    const { regions, editor } = this.regions;
    // Those of other lines and zones may still arrive.
    if (!counts || counts.lines.length + counts.zones.length !== regions.length) return;
    this.regions.showCounts([
      ...counts.lines.map((line) => this.#byClass(line)),
      ...counts.zones.map((zone) => this.#byClass(zone)),
    ]);
    const rows = counts.crossings.map(({ line, track_id, class_name, direction }) => {
      const row = document.createElement("li");
      const what = texts(list)[direction];
      row.textContent = [`${shownName(class_name)} #${track_id}`, editor.name(line), what].join(" · ");
      return row;
    });
    list.prepend(...rows.reverse());
    while (list.children.length > MOST_CROSSINGS) list.lastElementChild?.remove();
  }

  /**
   * @param {Record<string, ByClass>} counts by field
   * @returns {ClassCount[]}
   */
  #byClass(counts) {
    const ids = new Set(Object.values(counts).flatMap(Object.keys));
    return [...ids].map((id) => ({
      class_name: this.#classNames.get(id) ?? "",
      ...Object.fromEntries(Object.entries(counts).map(([field, byClass]) => [field, byClass[id] ?? 0])),
    }));
  }

  /** @param {boolean} isFinal */
  #regionsChanged(isFinal) {
    if (!isFinal) return;
    remember(REGIONS_KEY, JSON.stringify(flat(this.regions.regions, DIGITS)));
    this.regions.showCounts([]);
    list.replaceChildren();
    this.#changed(CHANGE_DELAY_MS);
  }

  /** @param {number} delayMs */
  #changed(delayMs) {
    this.#sending.run(delayMs, async () => this.send(this.#settings()));
  }

  #mirrored() {
    this.regions.editor.isMirrored = mirror.checked;
    this.regions.editor.draw();
  }
}

/** @returns {import("../js/tracks/regions.js").FlatRegions} */
function rememberedRegions() {
  return JSON.parse(remembered(REGIONS_KEY) ?? '{"lines": [], "zones": []}');
}
