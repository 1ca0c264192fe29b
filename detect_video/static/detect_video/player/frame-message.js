/** Parses the server's frame messages: a frame's result and its JPEG in one binary message. */

/** @typedef {import("./result-store.js").Result} Result */

const LENGTH_BYTES = 4;

/**
 * Throws if the message is shorter than its header says.
 * @param {ArrayBuffer} message length of the JSON (unsigned 32 bits, little-endian), JSON, JPEG
 * @returns {{result: Result, jpeg: Blob}}
 */
export function parseFrameMessage(message) {
  const headerLength = new DataView(message).getUint32(0, true);
  const header = new Uint8Array(message, LENGTH_BYTES, headerLength);
  const { frame_index, pts_us, detections } = JSON.parse(new TextDecoder().decode(header));
  const jpeg = new Uint8Array(message, LENGTH_BYTES + headerLength);
  return {
    result: { frame_index, pts_us, detections },
    jpeg: new Blob([jpeg], { type: "image/jpeg" }),
  };
}
