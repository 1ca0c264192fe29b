/**
 * A video as the API describes it, and what follows from that.
 *
 * @typedef {"uploading" | "queued" | "running" | "done" | "failed" | "cancelled"} State
 *
 * @typedef {object} Rendering
 * @property {string} id
 * @property {string} model the one whose boxes are drawn
 * @property {string} codec
 * @property {State} state
 * @property {number} frames_done
 * @property {number} size_bytes an estimate until it is done
 * @property {number} score_threshold
 * @property {string[]} hidden_class_names in English
 * @property {boolean} show_tracks
 * @property {string} created_at in ISO 8601
 * @property {string} error
 * @property {{self: string, file?: string}} urls
 *
 * @typedef {object} Video
 * @property {string} id
 * @property {string} name
 * @property {number} size_bytes
 * @property {number} received_bytes
 * @property {State} state
 * @property {number | null} queue_position from 1; null unless it is queued
 * @property {string} error a message for the user
 * @property {string} truncated why the file is incomplete; empty if it is complete
 * @property {number} width
 * @property {number} height
 * @property {string} rate such as `30000/1001`
 * @property {number | null} duration_s
 * @property {number} frames_hint the file's own frame count, which may be wrong; 0 if unknown
 * @property {number} frames_detected
 * @property {number} detect_fps
 * @property {string} model
 * @property {boolean} is_loading whether detection waits until the model is loaded and can be reached
 * @property {string} created_at in ISO 8601
 * @property {number[][]} lines x and y of both points of each line
 * @property {number[][]} zones x and y of all points of each zone
 * @property {Record<string, string>} urls
 * @property {Rendering[]} renderings
 */

/**
 * Whether a job is queued or running.
 * @param {{state: State}} job a video or a rendering
 */
export function isActive({ state }) {
  return state === "queued" || state === "running";
}

/**
 * Whether a video's results were discarded, as it is detected again.
 * @param {Video} before
 * @param {Video} now
 */
export function isDetectedAgain(before, now) {
  const isOtherModel = before.model !== "" && before.model !== now.model;
  return isOtherModel || now.frames_detected < before.frames_detected;
}

/**
 * The number of frames: an estimate until detection is done; 0 if it cannot be estimated.
 * @param {Video} video
 */
export function frameCount({ state, frames_detected, frames_hint, duration_s, rate }) {
  if (state === "done") return frames_detected;
  const [numerator, denominator] = rate.split("/").map(Number);
  const estimate = frames_hint || Math.round((duration_s ?? 0) * (numerator / denominator)) || 0;
  return Math.max(frames_detected, estimate);
}

/**
 * The progress of a video's upload, or else of its detection.
 * @param {Video} video
 * @returns {number} from 0 to 1
 */
export function progressShare(video) {
  if (video.state === "done") return 1;
  if (video.state === "uploading") return video.received_bytes / video.size_bytes;
  return video.frames_detected / (frameCount(video) || Infinity);
}

/**
 * The remaining time of detection at the current rate.
 * @param {Video} video
 * @returns {number | null} in seconds; null if it is unknown
 */
export function remainingSeconds(video) {
  const left = frameCount(video) - video.frames_detected;
  if (video.state !== "running" || video.detect_fps <= 0 || left <= 0) return null;
  return left / video.detect_fps;
}

/**
 * @param {number} seconds
 * @returns {string} such as `1:05.3`
 */
export function timeText(seconds) {
  const tenths = Math.max(0, Math.floor(seconds * 10));
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}
