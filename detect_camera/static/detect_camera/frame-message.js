/** Packs a camera frame into one binary message; `detect_camera/frames.py` parses it. */

const HEADER_BYTES = 16;

/**
 * @param {number} sequence
 * @param {number} capturedMs
 * @param {ArrayBuffer} jpeg
 * @returns {ArrayBuffer}
 */
export function frameMessage(sequence, capturedMs, jpeg) {
  const message = new ArrayBuffer(HEADER_BYTES + jpeg.byteLength);
  const header = new DataView(message);
  header.setUint8(0, 1); // version
  header.setUint8(1, 0); // flags
  header.setUint16(2, HEADER_BYTES, true);
  header.setUint32(4, sequence, true);
  header.setFloat64(8, capturedMs, true);
  new Uint8Array(message, HEADER_BYTES).set(new Uint8Array(jpeg));
  return message;
}
