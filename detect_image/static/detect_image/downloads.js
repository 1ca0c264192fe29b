/** Downloads: the result of one picture, or an archive of all results. */

import { saveFile } from "../js/files/save-file.js";
import { zip } from "../js/files/zip.js";
import { cocoText, csvText, EXPORTS, stem, uniqueStems, vocText, yoloText } from "./exports.js";

/** @typedef {import("./exports.js").Named} Named */

/**
 * @param {string} format a key of `EXPORTS`
 * @param {Named} named
 */
export function saveResult(format, named) {
  const { suffix, type, text } = EXPORTS[format];
  saveFile(new Blob([text(named)], { type }), `${stem(named.name)}${suffix}`);
}

/**
 * @param {(Named & {drawn: () => Promise<Blob>})[]} results
 * @param {(done: number) => void} onProgress receives the number of drawn pictures
 * @returns {Promise<Blob>} a ZIP archive with every format and the drawn pictures
 */
export async function archive(results, onProgress) {
  const stems = uniqueStems(results.map(({ name }) => name));
  // If two pictures have the same name, their entries have the unique names of their files.
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
    onProgress(index);
    drawn.push({ name: `drawn/${stems[index]}-boxes.jpg`, content: await result.drawn() });
  }
  return zip([...files, ...drawn]);
}
