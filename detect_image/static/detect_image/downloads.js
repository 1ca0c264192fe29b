/** Files to take away: one picture's result, or those of all pictures in an archive. */

import { zip } from "../js/zip.js";
import { cocoText, csvText, EXPORTS, ownStems, stem, vocText, yoloText } from "./exports.js";

/** @typedef {import("./exports.js").Named} Named */

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/**
 * @param {string} format a key of `EXPORTS`
 * @param {Named} named
 */
export function saveResult(format, named) {
  const { suffix, type, text } = EXPORTS[format];
  save(new Blob([text(named)], { type }), `${stem(named.name)}${suffix}`);
}

/**
 * @param {(Named & {drawn: () => Promise<Blob>})[]} results
 * @param {(done: number) => void} tell called with how many pictures are drawn
 * @returns {Promise<Blob>} a ZIP archive with every format and the drawn pictures
 */
export async function archive(results, tell) {
  const stems = ownStems(results.map(({ name }) => name));
  // Where two pictures have one name, their entries have the names of their files.
  const named = results.map(({ name, found }, index) => {
    return { name: stems[index] + name.slice(stem(name).length), found };
  });
  const files = [
    { name: "coco.json", content: cocoText(named) },
    { name: "objects.csv", content: csvText(named) },
    ...named.map((one, index) => ({ name: `yolo/${stems[index]}.txt`, content: yoloText(one) })),
    ...named.map((one, index) => ({ name: `voc/${stems[index]}.xml`, content: vocText(one) })),
  ];
  const drawn = [];
  for (const [index, result] of results.entries()) {
    tell(index);
    drawn.push({ name: `drawn/${stems[index]}-boxes.jpg`, content: await result.drawn() });
  }
  return zip([...files, ...drawn]);
}
