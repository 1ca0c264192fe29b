/** Opens and lists the browser's cameras, and classifies their errors. */

/**
 * @typedef {object} CameraOptions
 * @property {string} deviceId empty for any
 * @property {string} facing `environment`, `user`, or empty for any
 * @property {number} width preferred width in pixels
 */

/**
 * Ask for a camera. Throws the browser's error; see `problemOf`.
 * @param {CameraOptions} options
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
      // Not `exact`: the camera of the last visit may be disconnected.
      ...(deviceId ? { deviceId } : facing && { facingMode: facing }),
    },
  });
}

/**
 * Play the camera in a video element. Turns it off and throws if the browser refuses to play it.
 * @param {MediaStream} stream
 * @param {HTMLVideoElement} video
 */
export async function playCamera(stream, video) {
  video.srcObject = stream;
  try {
    await video.play();
  } catch (reason) {
    stopCamera(stream, video);
    // The original error is a NotAllowedError, which `problemOf` takes for a denied camera.
    throw new Error("The browser does not play the camera's video.", { cause: reason });
  }
}

/**
 * Play a clip over and over instead of a camera.
 * @param {string} url
 * @param {HTMLVideoElement} video
 * @returns {Promise<MediaStream>} without tracks
 */
export async function playClip(url, video) {
  video.src = url;
  video.loop = true;
  await video.play();
  return new MediaStream();
}

/**
 * Stop a camera or a clip.
 * @param {MediaStream | null} stream
 * @param {HTMLVideoElement} video
 */
export function stopCamera(stream, video) {
  stream?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  video.removeAttribute("src");
}

/** @returns {Promise<MediaDeviceInfo[]>} the cameras; unlabelled until permission is granted */
export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind }) => kind === "videoinput");
}

/**
 * The key of the message for an error.
 * @param {unknown} error thrown by `openCamera` or `playCamera`
 * @param {boolean} isSecure whether the page is a secure context, which cameras require
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
