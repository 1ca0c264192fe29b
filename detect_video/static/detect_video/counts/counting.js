/** Tracks and counts of the video in the player: asks for them, and shows them while the panel is open. */

import { element, part, texts } from "../../js/dom.js";
import { rememberControls, remember, remembered } from "../../js/memory.js";
import { failureText, requestJson } from "../../js/requests/api.js";
import { delay } from "../../js/requests/delay.js";
import { Latest } from "../../js/requests/latest.js";
import { RegionPanel } from "../../js/tracks/region-panel.js";
import { flat, unflat } from "../../js/tracks/regions.js";
import { filters, showTracks } from "../player/frame-view.js";
import { frameCount, isActive } from "../video.js";
import { happenings, regionCounts } from "./counts.js";
import { showCrossings, showTotals, whenCrossingChosen } from "./tables.js";
import { Timeline, prepareThumbnails } from "./timeline.js";
import { TrackIds } from "./track-ids.js";

/** @typedef {import("../video.js").Video} Video */
/** @typedef {import("../sources.js").FrameSource} FrameSource */

const OPEN_KEY = "video.counting";
// While a slider or a point is moved, only its last place counts.
const CHANGE_DELAY_MS = 150;
const RUNNING_INTERVAL_MS = 2000;
// How long an object may wait until it is confirmed.
const UNCONFIRMED_S = 2;

const panel = element("counting", HTMLDetailsElement);
const tracks = element("show-tracks", HTMLInputElement);
const error = element("counting-error", HTMLElement);
const exports = element("count-exports", HTMLElement);

export class Counting {
  /** @type {Video | null} */
  #video = null;
  /** @type {import("./counts.js").Counts | null} */
  #counts = null;
  #ids = new TrackIds();
  #frameIndex = 0;
  #asking = new Latest();
  /** How many questions are not answered yet, and when the last one was. */
  #open = 0;
  #answeredMs = 0;
  /** The newest regions that are not saved yet, by address. */
  /** @type {Map<string, import("../../js/tracks/regions.js").FlatRegions>} */
  #unsaved = new Map();
  /** @type {Promise<unknown>} */
  #saved = Promise.resolve();
  /** What the known tracks are of: the threshold, and how far detection was. */
  #tracked = { threshold: "", frames: 0 };

  /**
   * @param {object} player
   * @param {(frameIndex: number) => void} player.seek
   * @param {() => void} player.pause
   * @param {() => FrameSource | null} player.source
   */
  constructor(player) {
    this.player = player;
    this.regions = new RegionPanel((isFinal) => this.#regionsChanged(isFinal));
    this.timeline = new Timeline({
      seek: player.seek,
      thumbnail: async (frameIndex) => (await player.source()?.thumbnail(frameIndex)) ?? null,
    });
    whenCrossingChosen((frameIndex) => {
      player.pause();
      player.seek(frameIndex);
    });
    rememberControls("video", [tracks]);
    tracks.addEventListener("change", () => this.#showTracks());
    panel.open = remembered(OPEN_KEY, "sessionStorage") === "open";
    panel.addEventListener("toggle", () => this.#toggle());
    filters.thresholdSlider.addEventListener("input", () => this.#ask(CHANGE_DELAY_MS));
    filters.chips.container.addEventListener("input", () => this.#show());
    element("print", HTMLButtonElement).addEventListener("click", () => print());
  }

  /** Resolves once the server has the lines and zones that are shown, or has refused them. */
  get regionsStored() {
    return this.#saved;
  }

  /** @param {Video} video its current state */
  update(video) {
    const before = this.#video;
    this.#video = video;
    if (before?.id !== video.id) {
      this.regions.show(unflat(video), video);
      prepareThumbnails(video);
      this.#toggle();
      return;
    }
    if (video.frames_detected < this.#ids.size) this.forget();
    const isNewer = video.frames_detected !== before.frames_detected;
    const isDue = !isActive(video) || performance.now() - this.#answeredMs > RUNNING_INTERVAL_MS;
    const hasEnded = isActive(before) && !isActive(video);
    // A slow answer is worth waiting for.
    if ((isNewer && isDue && !this.#open) || hasEnded) this.#ask(0);
  }

  /** The results were discarded, as there will be those of another model. */
  forget() {
    this.#asking.abort();
    this.#ids.clear();
    this.#tracked.frames = 0;
    this.#counts = null;
    this.regions.showCounts([]);
    this.timeline.clear();
    showTotals([]);
    showCrossings([], () => "");
    delete panel.dataset.frames;
  }

  /** @param {number} frameIndex of the frame that the player shows */
  showFrame(frameIndex) {
    this.#frameIndex = frameIndex;
    if (!panel.open || !this.#counts) return;
    this.timeline.showPosition(frameIndex);
    this.#showRegionCounts(this.#counts);
  }

  /** @param {import("./counts.js").Counts} counts */
  #showRegionCounts(counts) {
    // Those of other lines and zones are of no use.
    const isOfThese = counts.lines.length + counts.zones.length === this.regions.regions.length;
    const { hiddenNames } = filters.chips;
    this.regions.showCounts(isOfThese ? regionCounts(counts, this.#frameIndex, hiddenNames) : []);
  }

  #toggle() {
    remember(OPEN_KEY, panel.open ? "open" : "", "sessionStorage");
    this.regions.toggle(panel.open);
    this.#showTracks();
    if (panel.open) this.#ask(0);
  }

  #showTracks() {
    const isShown = panel.open && tracks.checked;
    showTracks(isShown ? { idsOf: (index) => this.#ids.of(index), before: (index) => this.#before(index) } : null);
  }

  /** @param {number} frameIndex the frames of the second before it */
  #before(frameIndex) {
    return this.player.source()?.before(frameIndex, Math.round(this.#counts?.fps ?? 0)) ?? [];
  }

  /** @param {boolean} isFinal */
  async #regionsChanged(isFinal) {
    const video = this.#video;
    if (!video) return;
    if (this.#counts) this.#showRegionCounts(this.#counts);
    this.#showDownloads(video);
    if (!isFinal) {
      this.#ask(CHANGE_DELAY_MS);
      return;
    }
    this.#unsaved.set(video.urls.regions, flat(this.regions.regions, 1));
    // One after the other, so that the last one wins.
    const saved = this.#saved.then(() => this.#save(video.urls.regions));
    this.#saved = saved.catch(() => null);
    if (await this.#report(saved)) this.#ask(0);
  }

  /**
   * @param {string} url
   * @returns {Promise<true | null>} null if the newest regions are saved already
   */
  async #save(url) {
    if (!this.#unsaved.has(url)) return null;
    await delay(CHANGE_DELAY_MS);
    const body = this.#unsaved.get(url);
    this.#unsaved.delete(url);
    await requestJson(url, { method: "PATCH", body });
    return true;
  }

  /**
   * Ask for the counts with the current threshold and regions, and for the tracks that are missing.
   * @param {number} delayMs
   */
  async #ask(delayMs) {
    const video = this.#video;
    if (!video || !panel.open) return;
    this.#open += 1;
    const answers = await this.#report(
      this.#asking.run(delayMs, async (signal) => {
        const threshold = String(filters.threshold);
        const [counts, tracks] = await Promise.all([
          requestJson(`${video.urls.counts}?${this.#countsQuery(threshold)}`, { signal }),
          this.#missingTracks(video, threshold, signal),
        ]);
        return { threshold, tracks, counts };
      }),
    );
    this.#open -= 1;
    this.#answeredMs = performance.now();
    if (!answers) return;
    if (answers.tracks) this.#ids.replace(answers.tracks);
    this.#tracked = { threshold: answers.threshold, frames: isActive(video) ? 0 : video.frames_detected };
    const { counts } = answers;
    // Some files do not name their rate.
    this.#counts = { ...counts, fps: counts.fps || counts.frames / counts.duration_s || 1 };
    this.#show();
  }

  /**
   * @param {Video} video
   * @param {string} threshold
   * @param {AbortSignal} signal
   * @returns {Promise<any>} null if all are known
   */
  async #missingTracks(video, threshold, signal) {
    const isSame = this.#tracked.threshold === threshold;
    if (isSame && this.#tracked.frames === video.frames_detected) return null;
    // Objects of the last frames may have been confirmed since the last answer.
    const unsure = Math.ceil(UNCONFIRMED_S * (this.#counts?.fps ?? 0));
    const from = isSame && isActive(video) ? Math.max(0, this.#ids.size - unsure) : 0;
    const query = new URLSearchParams({ score_threshold: threshold, from_frame: String(from) });
    return requestJson(`${video.urls.tracks}?${query}`, { signal });
  }

  /** @param {string} threshold */
  #countsQuery(threshold) {
    const query = new URLSearchParams({ score_threshold: threshold });
    const { lines, zones } = flat(this.regions.regions, 1);
    for (const line of lines) query.append("line", line.join());
    for (const zone of zones) query.append("zone", zone.join());
    // Not those that the video has.
    if (!lines.length && !zones.length) query.append("line", "");
    return query;
  }

  #show() {
    const video = this.#video;
    const counts = this.#counts;
    if (!video || !counts || !panel.open) return;
    const { hiddenNames } = filters.chips;
    const classes = counts.classes.filter(({ class_name }) => !hiddenNames.has(class_name));
    const events = happenings(counts, hiddenNames);
    this.timeline.show({ ...counts, classes }, events, frameCount(video));
    showTotals(classes);
    const { regions, editor } = this.regions;
    // A region may have been removed since it was asked for.
    showCrossings(events, (region) => (region < regions.length ? editor.name(region) : ""));
    this.#showDownloads(video);
    this.#showTracks();
    this.showFrame(this.#frameIndex);
    panel.dataset.frames = String(counts.frames);
  }

  /**
   * Link to the counts of the lines and zones that are shown, which may not be saved yet.
   * @param {Video} video
   */
  #showDownloads(video) {
    const query = this.#countsQuery(String(filters.threshold));
    for (const format of ["csv", "json"]) {
      part(exports, `.${format}`, HTMLAnchorElement).href = `${video.urls[`counts_${format}`]}?${query}`;
    }
  }

  /**
   * Show why a request failed.
   * @template T
   * @param {Promise<T>} request
   * @returns {Promise<T | null>}
   */
  async #report(request) {
    try {
      const answer = await request;
      if (answer !== null) error.textContent = "";
      return answer;
    } catch (failure) {
      error.textContent = failureText(failure, texts(error).unreachable);
      return null;
    }
  }
}
