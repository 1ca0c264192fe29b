/** Checkboxes that show or hide a class, each with its count in the frame that is shown. */

import { classColour, cssColour } from "../js/boxes.js";

/** @typedef {import("../js/boxes.js").Detection} Detection */

export class ClassChips {
  /** @type {Set<number>} ids of classes that are not to be shown */
  hidden = new Set();
  /** @type {Map<number, HTMLElement>} by class id; a class that appeared once stays */
  #counts = new Map();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    root.addEventListener("input", ({ target }) => {
      const { checked, value } = /** @type {HTMLInputElement} */ (target);
      if (checked) this.hidden.delete(Number(value));
      else this.hidden.add(Number(value));
    });
  }

  /**
   * @param {Detection[]} detections of the frame
   * @param {Map<number, number>} counts by class id, of those that reach the threshold
   */
  update(detections, counts) {
    for (const { class_id, class_name } of detections) {
      if (counts.get(class_id) && !this.#counts.has(class_id)) this.#add(class_id, class_name);
    }
    for (const [classId, count] of this.#counts) {
      const text = String(counts.get(classId) ?? 0);
      if (count.textContent !== text) count.textContent = text;
    }
  }

  /**
   * @param {number} classId
   * @param {string} name
   */
  #add(classId, name) {
    const chip = document.createElement("label");
    const input = document.createElement("input");
    const dot = document.createElement("i");
    const count = document.createElement("small");
    input.type = "checkbox";
    input.value = String(classId);
    input.checked = true;
    dot.style.backgroundColor = cssColour(classColour(classId));
    chip.append(input, dot, name, count);
    this.root.append(chip);
    this.#counts.set(classId, count);
  }
}
