/**
 * What the API tells of a video.
 *
 * @typedef {"uploading" | "queued" | "running" | "done" | "failed" | "cancelled"} State
 *
 * @typedef {object} Export
 * @property {string} id
 * @property {string} codec
 * @property {State} state
 * @property {number} frames_done
 * @property {number} size_bytes an estimate until it is done
 * @property {number} score_threshold
 * @property {string[]} hidden_class_names in English
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
 * @property {string} error for people
 * @property {string} truncated why the file ends early; empty for a whole one
 * @property {number} width
 * @property {number} height
 * @property {string} rate such as `30000/1001`
 * @property {number | null} duration_s
 * @property {number} frames_hint 0 for unknown; it may be wrong
 * @property {number} frames_detected
 * @property {number} detect_fps
 * @property {string} model
 * @property {string} created_at in ISO 8601
 * @property {Record<string, string>} urls
 * @property {Export[]} exports
 */

/**
 * Whether the server works on it, or will.
 * @param {{state: State}} job a video or an export
 */
export function isAtWork({ state }) {
  return state === "queued" || state === "running";
}

/**
 * How many frames the video has: known at its end, estimated before; 0 when it cannot be.
 * @param {Video} video
 */
export function frameCount({ state, frames_detected, frames_hint, duration_s, rate }) {
  if (state === "done") return frames_detected;
  const [numerator, denominator] = rate.split("/").map(Number);
  const estimate = frames_hint || Math.round((duration_s ?? 0) * (numerator / denominator)) || 0;
  return Math.max(frames_detected, estimate);
}

/**
 * How much of the work on a video is done: of its upload, or of its detection.
 * @param {Video} video
 * @returns {number} from 0 to 1
 */
export function progressShare(video) {
  if (video.state === "done") return 1;
  if (video.state === "uploading") return video.received_bytes / video.size_bytes;
  return video.frames_detected / (frameCount(video) || Infinity);
}

/**
 * How long detection will still take, by the pace it has.
 * @param {Video} video
 * @returns {number | null} in seconds; null while that cannot be known
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

/**
 * @param {number} bytes
 * @returns {string} such as `12.3 MB`
 */
export function sizeText(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
