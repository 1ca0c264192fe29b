/** The controls of `templates/filters.html`: which detections are drawn, and with which labels. */

import { percent, visibleDetections } from "./boxes.js";
import { ClassChips } from "./class-chips.js";
import { drawDetections } from "./detection-canvas.js";
import { element } from "../dom.js";
import { rememberControls } from "../memory.js";

/** @typedef {import("./boxes.js").Detection} Detection */

export class Filters {
  /**
   * @param {string} page the prefix of the keys of remembered settings
   * @param {import("../memory.js").Storage} [storage] remembers all but the hidden classes
   */
  constructor(page, storage) {
    this.thresholdSlider = element("threshold", HTMLInputElement);
    this.showNames = element("show-names", HTMLInputElement);
    this.showScores = element("show-scores", HTMLInputElement);
    this.chips = new ClassChips(element("classes", HTMLElement), `${page}.hidden`);
    const controls = [this.thresholdSlider, this.showNames, this.showScores];
    rememberControls(page, controls, storage);
    /** What fires `input` when a filter changes. */
    this.controls = [...controls, this.chips.container];
  }

  get threshold() {
    return this.thresholdSlider.valueAsNumber;
  }

  /**
   * Show the threshold and the count of each class, and return the detections to draw.
   * @param {Detection[]} detections
   * @param {Detection[]} [second] of a second model, which are counted apart
   */
  apply(detections, second) {
    element("threshold-text", HTMLOutputElement).value = percent(this.threshold);
    this.chips.update(detections, this.threshold, second);
    return this.visible(detections);
  }

  /**
   * The detections above the threshold and of classes that are not hidden.
   * @param {Detection[]} detections
   */
  visible(detections) {
    const { threshold, chips } = this;
    return visibleDetections(detections, { threshold, hiddenNames: chips.hiddenNames });
  }

  /**
   * Draw detections with the chosen labels.
   * @param {CanvasRenderingContext2D} ctx
   * @param {Detection[]} detections
   * @param {{width: number, height: number, imageWidth: number, highlighted?: Detection | null}} size
   *   of the canvas in its units, and the width of the picture in pixels
   */
  draw(ctx, detections, { width, height, imageWidth, highlighted = null }) {
    drawDetections(ctx, detections, {
      width,
      height,
      scale: width / imageWidth,
      showNames: this.showNames.checked,
      showScores: this.showScores.checked,
      highlighted,
    });
  }
}
