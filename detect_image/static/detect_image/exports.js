/** Exports results in common file formats, like `web/exports.py`. */

/** @typedef {import("../js/drawing/boxes.js").Detection} Detection */
/** @typedef {import("../js/requests/api.js").Detections} Detections */
/** @typedef {{name: string, found: Detections}} Named a picture's name and its result */

/**
 * COCO's categories with their sparse ids, by class id.
 * @type {{id: number, name: string}[]}
 */
const cocoCategories = JSON.parse(
  globalThis.document?.getElementById("coco-categories")?.textContent ?? "[]",
);

/** @param {Named} named */
function jsonText({ name, found }) {
  const { model, image, detections, timing_ms } = found;
  return `${JSON.stringify({ file: name, model, image, detections, timing_ms })}\n`;
}

/**
 * YOLO text: one line `class_id x_center y_center width height` for each object, with values
 * relative to the picture's size.
 * @param {Named} named
 */
export function yoloText({ found: { image, detections } }) {
  const lines = detections.map(({ class_id, box: [xMin, yMin, xMax, yMax] }) => {
    const values = [
      (xMin + xMax) / 2 / image.width,
      (yMin + yMax) / 2 / image.height,
      (xMax - xMin) / image.width,
      (yMax - yMin) / image.height,
    ];
    return `${class_id} ${values.map((value) => value.toFixed(6)).join(" ")}\n`;
  });
  return lines.join("");
}

/**
 * A Pascal VOC annotation, with the score as an additional element.
 * @param {Named} named
 */
export function vocText({ name, found: { image, detections } }) {
  const objects = detections.map(
    ({ class_name, score, box: [xMin, yMin, xMax, yMax] }) => `  <object>
    <name>${escaped(class_name)}</name>
    <score>${score}</score>
    <bndbox>
      <xmin>${rounded(xMin)}</xmin>
      <ymin>${rounded(yMin)}</ymin>
      <xmax>${rounded(xMax)}</xmax>
      <ymax>${rounded(yMax)}</ymax>
    </bndbox>
  </object>
`,
  );
  return `<annotation>
  <filename>${escaped(name)}</filename>
  <size>
    <width>${image.width}</width>
    <height>${image.height}</height>
    <depth>3</depth>
  </size>
${objects.join("")}</annotation>
`;
}

/**
 * COCO's dataset format. COCO's classes have their sparse category ids; others count from 1.
 * @param {Named[]} results
 * @param {{id: number, name: string}[]} [coco]
 */
export function cocoText(results, coco = cocoCategories) {
  const images = results.map(({ name, found: { image } }, index) => {
    return { id: index + 1, file_name: name, ...image };
  });
  /** @type {Map<number, string>} */
  const names = new Map();
  const annotations = results.flatMap(({ found }, index) =>
    found.detections.map(({ class_id, class_name, score, box: [xMin, yMin, xMax, yMax] }) => {
      const known = coco[class_id];
      const category_id = known?.name === class_name ? known.id : class_id + 1;
      names.set(category_id, class_name);
      const [width, height] = [tenths(xMax - xMin), tenths(yMax - yMin)];
      const bbox = [xMin, yMin, width, height];
      const area = tenths(width * height);
      return { id: 0, image_id: index + 1, category_id, bbox, area, iscrowd: 0, score };
    }),
  );
  annotations.forEach((annotation, index) => {
    annotation.id = index + 1;
  });
  const categories = [...names].sort(([one], [other]) => one - other);
  const document = {
    images,
    annotations,
    categories: categories.map(([id, name]) => ({ id, name })),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/**
 * CSV with one line for each object.
 * @param {Named[]} results
 */
export function csvText(results) {
  const heading = ["file", "class_id", "class_name", "score", "x_min", "y_min", "x_max", "y_max"];
  const rows = results.flatMap(({ name, found: { detections } }) =>
    detections.map(({ class_id, class_name, score, box }) => [name, class_id, class_name, score, ...box]),
  );
  return [heading, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/**
 * By the same names as `EXPORTS` in `web/exports.py`.
 * @type {Record<string, {suffix: string, type: string, text: (named: Named) => string}>}
 */
export const EXPORTS = {
  json: { suffix: ".json", type: "application/json", text: jsonText },
  coco: { suffix: ".coco.json", type: "application/json", text: (named) => cocoText([named]) },
  yolo: { suffix: ".txt", type: "text/plain", text: yoloText },
  voc: { suffix: ".xml", type: "application/xml", text: vocText },
  csv: { suffix: ".csv", type: "text/csv", text: (named) => csvText([named]) },
};

/** @param {string} name such as `dog.jpg`, whose stem is `dog` */
export function stem(name) {
  return name.replace(/(?<=.)\.[^.]*$/, "");
}

/**
 * Unique file stems for several pictures.
 * @param {string[]} names
 * @returns {string[]} with a number appended to repeated stems
 */
export function uniqueStems(names) {
  const taken = new Set();
  return names.map((name) => {
    const first = stem(name).replaceAll(/[/\\:]/g, "_");
    let own = first;
    // Some file systems are case-insensitive.
    for (let number = 2; taken.has(own.toLowerCase()); number += 1) own = `${first}-${number}`;
    taken.add(own.toLowerCase());
    return own;
  });
}

/** @param {string | number} value */
function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Characters that XML 1.0 does not allow, not even escaped.
const NOT_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/** @param {string} text */
function escaped(text) {
  return text
    .replaceAll(NOT_XML, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

/**
 * Round to whole pixels, and halves to even, as Python does.
 * @param {number} value
 */
function rounded(value) {
  const whole = Math.round(value);
  return Math.abs(value % 1) === 0.5 && whole % 2 ? whole - 1 : whole;
}

/** @param {number} value */
function tenths(value) {
  return Number(value.toFixed(1));
}
