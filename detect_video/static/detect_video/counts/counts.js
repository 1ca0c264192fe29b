/**
 * What the server counts in a video, and what follows from that.
 *
 * @typedef {object} ClassTotals
 * @property {number} class_id
 * @property {string} class_name in English
 * @property {number} objects distinct ones
 * @property {number} longest_stay_s
 * @property {number} most_at_once
 * @property {number[]} timeline the most at once in each step
 *
 * @typedef {{class_id: number, class_name: string, track_id: number, frame_index: number, pts_s: number}} Event
 * @typedef {Event & {direction: "in" | "out"}} Crossing
 * @typedef {Event & {until_frame_index: number, dwell_s: number}} Entry
 *
 * @typedef {object} LineCounts
 * @property {Crossing[]} crossings
 * @property {{class_name: string, in: number, out: number}[]} counts
 *
 * @typedef {object} ZoneCounts
 * @property {Entry[]} entries
 * @property {{class_name: string, entries: number, mean_dwell_s: number, longest_dwell_s: number}[]} counts
 *
 * @typedef {object} Counts
 * @property {number} frames
 * @property {number} fps
 * @property {ClassTotals[]} classes
 * @property {number} timeline_step_frames
 * @property {LineCounts[]} lines
 * @property {ZoneCounts[]} zones
 */

/** @typedef {import("../../js/tracks/region-panel.js").ClassCount} ClassCount */
/** A crossing of a line or an entry into a zone, with the index of the region among all of them. */
/** @typedef {(Crossing | Entry) & {region: number}} Happening */

/**
 * All crossings and entries in the order of time.
 * @param {Counts} counts
 * @param {Set<string>} hiddenNames classes that are left out
 * @returns {Happening[]}
 */
export function happenings({ lines, zones }, hiddenNames) {
  const all = [
    ...lines.map(({ crossings }) => crossings),
    ...zones.map(({ entries }) => entries),
  ].flatMap((events, region) => events.map((event) => ({ ...event, region })));
  const shown = all.filter(({ class_name }) => !hiddenNames.has(class_name));
  return shown.sort((one, other) => one.frame_index - other.frame_index);
}

/**
 * What each line and each zone has counted of each class, and how many are in a zone in a frame.
 * @param {Counts} counts
 * @param {number} frameIndex
 * @param {Set<string>} hiddenNames classes that are left out
 * @returns {ClassCount[][]}
 */
export function regionCounts({ lines, zones }, frameIndex, hiddenNames) {
  /** @param {{class_name: string}} count */
  const isShown = ({ class_name }) => !hiddenNames.has(class_name);
  return [
    ...lines.map(({ counts }) => counts.filter(isShown)),
    ...zones.map(({ counts, entries }) =>
      counts.filter(isShown).map((count) => ({ ...count, now: presentIn(entries, count.class_name, frameIndex) })),
    ),
  ];
}

/**
 * @param {Entry[]} entries
 * @param {string} className
 * @param {number} frameIndex
 * @returns {number} how many objects of a class are in the zone in a frame
 */
function presentIn(entries, className, frameIndex) {
  return entries.filter(
    ({ class_name, frame_index, until_frame_index }) =>
      class_name === className && frame_index <= frameIndex && frameIndex < until_frame_index,
  ).length;
}

/**
 * How many objects of each class there are around a frame; classes without any are left out.
 * @param {Counts} counts
 * @param {number} frameIndex
 * @returns {{class_name: string, count: number}[]}
 */
export function presentAt({ classes, timeline_step_frames }, frameIndex) {
  const step = Math.floor(frameIndex / timeline_step_frames);
  return classes
    .map(({ class_name, timeline }) => ({ class_name, count: timeline[step] ?? 0 }))
    .filter(({ count }) => count > 0);
}

/**
 * The outline of the area below a class's timeline, one unit wide per frame and high per object.
 * @param {number[]} timeline
 * @param {number} stepFrames
 * @param {number} frames how many there are; the last step may be shorter
 * @param {number} most the height of the plot
 * @returns {string} an SVG path
 */
export function areaPath(timeline, stepFrames, frames, most) {
  let path = `M0 ${most}`;
  timeline.forEach((count, step) => {
    if (count !== timeline[step - 1]) path += `H${step * stepFrames}V${most - count}`;
  });
  return `${path}H${frames}V${most}Z`;
}

/**
 * Vertical marks at frames.
 * @param {number[]} frames
 * @param {number} from the upper end
 * @param {number} to the lower end
 * @returns {string} an SVG path
 */
export function marksPath(frames, from, to) {
  return [...new Set(frames)].map((frame) => `M${frame} ${from}V${to}`).join("");
}
