/** A checkbox for each class that appeared, with the count of what is there now. */

import { classColour, classCounts, cssColour } from "./boxes.js";
import { shownName } from "./class-names.js";
import { remember, remembered } from "./memory.js";

/** @typedef {import("./boxes.js").Detection} Detection */

export class ClassChips {
  /**
   * @param {HTMLElement} container fires `change` when a class is shown or hidden
   * @param {string} key under which this tab remembers the hidden classes
   */
  constructor(container, key) {
    this.container = container;
    /** Of classes that may not have appeared yet, too. */
    this.hiddenNames = new Set(JSON.parse(remembered(key, "sessionStorage") ?? "[]"));
    container.addEventListener("change", () => {
      remember(key, JSON.stringify([...this.hiddenNames]), "sessionStorage");
    });
    /** @type {Map<number, HTMLLabelElement>} */
    this.chips = new Map();
  }

  /** Forget every class. */
  clear() {
    this.chips.clear();
    this.container.replaceChildren();
  }

  /** @returns {Set<number>} the classes that are switched off */
  get hidden() {
    const boxes = [...this.container.querySelectorAll("input")];
    return new Set(boxes.filter(({ checked }) => !checked).map(({ value }) => Number(value)));
  }

  /** @returns {number[]} the classes that are switched on */
  get shown() {
    return [...this.chips.keys()].filter((classId) => !this.hidden.has(classId));
  }

  /**
   * Classes that reach the threshold for the first time get a chip, which then stays: chips
   * that come and go with every frame could not be clicked.
   * @param {Detection[]} detections
   * @param {number} threshold
   */
  update(detections, threshold) {
    const counts = classCounts(detections, threshold);
    for (const { class_id, class_name } of detections) {
      if (counts.get(class_id) && !this.chips.has(class_id)) this.add(class_id, class_name);
    }
    for (const [classId, label] of this.chips) {
      const text = String(counts.get(classId) ?? 0);
      const count = /** @type {HTMLElement} */ (label.lastElementChild);
      if (count.textContent !== text) count.textContent = text;
    }
  }

  /**
   * @param {number} classId
   * @param {string} name
   */
  add(classId, name) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "checkbox";
    input.value = String(classId);
    input.checked = !this.hiddenNames.has(name);
    input.addEventListener("change", () => {
      if (input.checked) this.hiddenNames.delete(name);
      else this.hiddenNames.add(name);
    });
    label.append(input, colourDot(classId), shownName(name), document.createElement("small"));
    this.chips.set(classId, label);
    this.container.append(label);
  }
}

/** @param {number} classId */
export function colourDot(classId) {
  const dot = document.createElement("i");
  dot.style.backgroundColor = cssColour(classColour(classId));
  return dot;
}
