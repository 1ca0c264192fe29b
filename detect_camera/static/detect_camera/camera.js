/** The browser's camera: opened, listed, and its failures told apart. */

/**
 * @typedef {object} Wish
 * @property {string} deviceId empty for any
 * @property {string} facing `environment`, `user`, or empty
 * @property {number} width in pixels, a wish the camera may not fulfil
 */

/**
 * Ask for a camera. Throws what the browser throws; `problemOf` names it.
 * @param {Wish} wish
 * @returns {Promise<MediaStream>}
 */
export async function openCamera({ deviceId, facing, width }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new DOMException("There is no camera on pages without https.", "SecurityError");
  }
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: {
      width: { ideal: width },
      // Not exactly: the one of the last visit may be away today.
      ...(deviceId ? { deviceId } : facing && { facingMode: facing }),
    },
  });
}

/**
 * Play the camera in a video element. Throws when the browser refuses to; the camera is off then.
 * @param {MediaStream} stream
 * @param {HTMLVideoElement} video
 */
export async function playCamera(stream, video) {
  video.srcObject = stream;
  try {
    await video.play();
  } catch (reason) {
    stopCamera(stream, video);
    // Its name would say that the camera, not the playing, was not allowed.
    throw new Error("The browser does not play the camera's video.", { cause: reason });
  }
}

/**
 * @param {MediaStream | null} stream
 * @param {HTMLVideoElement} video
 */
export function stopCamera(stream, video) {
  stream?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}

/** @returns {Promise<MediaDeviceInfo[]>} the cameras; named once one was allowed */
export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind }) => kind === "videoinput");
}

/**
 * The key of the text that says what to do.
 * @param {unknown} error that `openCamera` threw
 * @param {boolean} isSecure whether the page may use a camera at all
 * @returns {"insecure" | "denied" | "none" | "inUse" | "failed"}
 */
export function problemOf(error, isSecure) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (!isSecure || name === "SecurityError") return "insecure";
  if (name === "NotAllowedError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  if (name === "NotReadableError" || name === "AbortError") return "inUse";
  return "failed";
}
