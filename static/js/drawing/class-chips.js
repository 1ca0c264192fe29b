/** A checkbox for each detected class, with the number of its visible detections. */

import { classColour, cssColour } from "./boxes.js";
import { shownName } from "./class-names.js";
import { remember, remembered } from "../memory.js";

/** @typedef {import("./boxes.js").Detection} Detection */

export class ClassChips {
  /**
   * @param {HTMLElement} container fires `change` when a class is shown or hidden
   * @param {string} key stores the hidden classes in this tab
   */
  constructor(container, key) {
    this.container = container;
    /** Includes classes that have not been detected yet. */
    this.hiddenNames = new Set(JSON.parse(remembered(key, "sessionStorage") ?? "[]"));
    container.addEventListener("change", () => {
      remember(key, JSON.stringify([...this.hiddenNames]), "sessionStorage");
    });
    /** By name, as the same id may be of another class in the results of a second model. */
    /** @type {Map<string, HTMLLabelElement>} */
    this.chips = new Map();
  }

  /** Remove all chips. */
  clear() {
    this.chips.clear();
    this.container.replaceChildren();
  }

  /** @returns {Set<number>} the ids of unchecked classes */
  get hidden() {
    const boxes = [...this.container.querySelectorAll("input")];
    return new Set(boxes.filter(({ checked }) => !checked).map(({ value }) => Number(value)));
  }

  /**
   * Update the counts, and add a chip for each new class that reaches the threshold. Chips are not
   * removed: if they came and went with every frame, they could not be clicked.
   * @param {Detection[]} detections
   * @param {number} threshold
   * @param {Detection[]} [second] of a second model, which are counted apart
   */
  update(detections, threshold, second) {
    const counts = [detections, ...(second ? [second] : [])].map((found) => {
      /** @type {Map<string, number>} */
      const ofClass = new Map();
      for (const { class_id, class_name, score } of found) {
        if (score < threshold) continue;
        ofClass.set(class_name, (ofClass.get(class_name) ?? 0) + 1);
        if (!this.chips.has(class_name)) this.add(class_id, class_name);
      }
      return ofClass;
    });
    for (const [name, label] of this.chips) {
      const text = counts.map((ofClass) => ofClass.get(name) ?? 0).join(" · ");
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
    input.addEventListener("input", () => {
      if (input.checked) this.hiddenNames.delete(name);
      else this.hiddenNames.add(name);
    });
    label.append(input, colourDot(classId), shownName(name), document.createElement("small"));
    this.chips.set(name, label);
    this.container.append(label);
  }
}

/** @param {number} classId */
export function colourDot(classId) {
  const dot = document.createElement("i");
  dot.className = "dot";
  dot.style.backgroundColor = cssColour(classColour(classId));
  return dot;
}
