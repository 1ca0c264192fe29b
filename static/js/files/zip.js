/** Writes ZIP archives without compression, as they mainly hold JPEG files. */

/** @typedef {{name: string, content: string | Blob}} ZipFile the name may include folders */

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/**
 * @param {ZipFile[]} files fewer than 65,536, and less than 4 GiB in total
 * @param {Date} [moment] the modification time of all files
 * @returns {Promise<Blob>}
 */
export async function zip(files, moment = new Date()) {
  /** @type {BlobPart[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const directory = [];
  let offset = 0;
  for (const { name, content } of files) {
    const bytes = new Uint8Array(await new Blob([content]).arrayBuffer());
    const path = new TextEncoder().encode(name);
    const about = entry(path, bytes, moment);
    const header = record(0x04034b50, [...about, [2, 0]], path);
    // Lengths of the extra field and the comment, disk number, attributes, offset of the header.
    const rest = /** @type {Field[]} */ ([[2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]);
    directory.push(record(0x02014b50, [[2, 20], ...about, ...rest], path));
    parts.push(header, bytes);
    offset += header.length + bytes.length;
  }
  const directoryLength = directory.reduce((sum, { length }) => sum + length, 0);
  const count = files.length;
  const end = record(0x06054b50, [
    [2, 0], [2, 0], [2, count], [2, count], [4, directoryLength], [4, offset], [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** @typedef {[bytes: 2 | 4, value: number]} Field little-endian */

/**
 * The fields that the local and the central header share, up to the length of the path.
 * @param {Uint8Array} path
 * @param {Uint8Array} bytes
 * @param {Date} moment
 * @returns {Field[]}
 */
function entry(path, bytes, moment) {
  const time = (moment.getHours() << 11) | (moment.getMinutes() << 5) | (moment.getSeconds() >> 1);
  const month = moment.getMonth() + 1;
  const date = ((moment.getFullYear() - 1980) << 9) | (month << 5) | moment.getDate();
  const utf8 = 0x800;
  const size = bytes.length;
  return [[2, 20], [2, utf8], [2, 0], [2, time], [2, date], [4, crc32(bytes)], [4, size], [4, size], [2, path.length]];
}

/**
 * @param {number} signature
 * @param {Field[]} fields
 * @param {Uint8Array} [tail]
 */
function record(signature, fields, tail = new Uint8Array()) {
  const all = /** @type {Field[]} */ ([[4, signature], ...fields]);
  const length = all.reduce((sum, [bytes]) => sum + bytes, 0);
  const result = new Uint8Array(length + tail.length);
  const view = new DataView(result.buffer);
  let at = 0;
  for (const [bytes, value] of all) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  result.set(tail, length);
  return result;
}

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
