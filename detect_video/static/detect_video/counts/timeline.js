/** The plots below the player: how many objects of each class there are when, and what crosses. */

import { classColour, cssColour } from "../../js/drawing/boxes.js";
import { context2d } from "../../js/drawing/canvas.js";
import { colourDot } from "../../js/drawing/class-chips.js";
import { shownName } from "../../js/drawing/class-names.js";
import { element, texts } from "../../js/dom.js";
import { Latest } from "../../js/requests/latest.js";
import { timeText } from "../video.js";
import { areaPath, marksPath, presentAt } from "./counts.js";

/** @typedef {import("./counts.js").Counts} Counts */
/** @typedef {import("./counts.js").Happening} Happening */
/** @typedef {import("../sources.js").Picture} Picture */

const SVG = "http://www.w3.org/2000/svg";
// Each picture is decoded from the key frame before it, so wait until the pointer rests.
const THUMBNAIL_DELAY_MS = 60;

const plot = element("plot", HTMLElement);
const rows = element("plot-rows", HTMLElement);
const seek = element("plot-seek", HTMLInputElement);
const peek = element("peek", HTMLElement);
const picture = element("peek-picture", HTMLCanvasElement);
const caption = element("peek-text", HTMLElement);

export class Timeline {
  /** @type {Counts | null} */
  #counts = null;
  /** Of the whole video, also those that are not detected yet. */
  #frames = 1;
  #thumbnails = new Latest();

  /**
   * @param {object} actions
   * @param {(frameIndex: number) => void} actions.seek
   * @param {(frameIndex: number) => Promise<Picture | null>} actions.thumbnail
   */
  constructor(actions) {
    this.actions = actions;
    seek.addEventListener("input", () => actions.seek(seek.valueAsNumber));
    plot.addEventListener("pointermove", (event) => this.#point(event));
    plot.addEventListener("pointerleave", () => {
      peek.hidden = true;
    });
  }

  /**
   * @param {Counts} counts of the classes that are shown
   * @param {Happening[]} events
   * @param {number} frames of the whole video
   */
  show(counts, events, frames) {
    this.#counts = counts;
    this.#frames = Math.max(frames, counts.frames, 1);
    seek.max = String(this.#frames - 1);
    const { classes, timeline_step_frames: step } = counts;
    const plots = classes.map(({ class_id, class_name, timeline, most_at_once }) => {
      const area = areaPath(timeline, step, counts.frames, most_at_once);
      const row = this.#row(most_at_once, [{ d: area, fill: cssColour(classColour(class_id)) }]);
      const most = document.createElement("small");
      most.textContent = texts(plot).most.replace("{count}", String(most_at_once));
      row.prepend(colourDot(class_id), shownName(class_name), " ", most);
      return row;
    });
    rows.replaceChildren(...plots, ...(events.length ? [this.#marksRow(events)] : []));
  }

  clear() {
    this.#counts = null;
    rows.replaceChildren();
  }

  /** @param {number} frameIndex of the frame that the player shows */
  showPosition(frameIndex) {
    seek.value = String(frameIndex);
    seek.ariaValueText = this.#textAt(frameIndex);
    plot.style.setProperty("--at", `${(100 * (frameIndex + 0.5)) / this.#frames}%`);
  }

  /**
   * Marks upwards for objects that come in, downwards for those that go out.
   * @param {Happening[]} events
   */
  #marksRow(events) {
    const classIds = new Set(events.map(({ class_id }) => class_id));
    const paths = [...classIds].flatMap((classId) => {
      const ofClass = events.filter(({ class_id }) => class_id === classId);
      const out = ofClass.filter((event) => "direction" in event && event.direction === "out");
      const inwards = ofClass.filter((event) => !out.includes(event));
      const stroke = cssColour(classColour(classId));
      return [
        { d: marksPath(inwards.map(({ frame_index }) => frame_index + 0.5), 0, 1), stroke },
        { d: marksPath(out.map(({ frame_index }) => frame_index + 0.5), 1, 2), stroke },
      ];
    });
    const row = this.#row(2, paths);
    row.prepend(texts(plot).crossings);
    return row;
  }

  /**
   * @param {number} height
   * @param {Record<string, string>[]} paths their attributes
   */
  #row(height, paths) {
    const row = document.createElement("li");
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${this.#frames} ${Math.max(1, height)}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const attributes of paths) {
      const path = document.createElementNS(SVG, "path");
      for (const [name, value] of Object.entries(attributes)) path.setAttribute(name, value);
      svg.append(path);
    }
    row.append(svg);
    return row;
  }

  /** @param {PointerEvent} event */
  #point({ clientX, pointerType }) {
    if (!this.#counts || pointerType === "touch") return;
    const { left, width } = plot.getBoundingClientRect();
    const share = Math.max(0, Math.min((clientX - left) / width, 1));
    const frameIndex = Math.min(this.#frames - 1, Math.floor(share * this.#frames));
    caption.textContent = this.#textAt(frameIndex);
    peek.hidden = false;
    const room = width - peek.offsetWidth;
    peek.style.left = `${Math.max(0, Math.min(share * width - peek.offsetWidth / 2, room))}px`;
    if (peek.dataset.frame === String(frameIndex)) return;
    peek.dataset.frame = String(frameIndex);
    this.#thumbnails.run(THUMBNAIL_DELAY_MS, (signal) => this.#showThumbnail(frameIndex, signal));
  }

  /**
   * @param {number} frameIndex
   * @param {AbortSignal} signal
   */
  async #showThumbnail(frameIndex, signal) {
    // A frame that cannot be decoded has no thumbnail; the player says why.
    const thumbnail = await this.actions.thumbnail(frameIndex).catch(() => null);
    if (!signal.aborted) {
      picture.hidden = !thumbnail;
      thumbnail?.draw(context2d(picture), picture.width, picture.height);
      peek.dataset.shown = String(frameIndex);
    }
    thumbnail?.close();
  }

  /** @param {number} frameIndex */
  #textAt(frameIndex) {
    if (!this.#counts) return "";
    const present = presentAt(this.#counts, frameIndex).map(
      ({ class_name, count }) => `${count} × ${shownName(class_name)}`,
    );
    return [timeText(frameIndex / this.#counts.fps), ...present].join(" · ");
  }
}

/**
 * Give the thumbnails the shape of the video.
 * @param {{width: number, height: number}} video
 */
export function prepareThumbnails({ width, height }) {
  picture.height = Math.round((picture.width * height) / width);
}
