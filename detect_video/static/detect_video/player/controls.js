/** The player's buttons, shortcut keys and timeline, and its statistics. */

import { element, texts, usesSpace } from "../../js/dom.js";
import { rememberControls } from "../../js/memory.js";
import { frameCount, isActive, timeText } from "../video.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("../video.js").Video} Video */

const STATISTICS_INTERVAL_MS = 250;

const playButton = element("play", HTMLButtonElement);
const timeline = element("timeline", HTMLInputElement);
const speed = element("speed", HTMLSelectElement);
const theatre = element("theatre", HTMLElement);
const fullScreen = element("full-screen", HTMLButtonElement);
const playerStatus = element("player-status", HTMLElement);

export class Controls {
  /** @type {Video | null} */
  #video = null;

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    playButton.addEventListener("click", () => this.toggle());
    element("back", HTMLButtonElement).addEventListener("click", () => this.move(-1));
    element("forward", HTMLButtonElement).addEventListener("click", () => this.move(1));
    rememberControls("video", [speed]);
    player.clock.setSpeed(Number(speed.value));
    speed.addEventListener("change", () => player.clock.setSpeed(Number(speed.value)));
    element("frame", HTMLElement).addEventListener("click", () => this.toggle());
    // Some phones allow full screen for their own video player only.
    fullScreen.hidden = !document.fullscreenEnabled;
    fullScreen.addEventListener("click", toggleFullScreen);
    document.addEventListener("fullscreenchange", showFullScreen);
    timeline.addEventListener("input", () => this.seek(timeline.valueAsNumber));
    document.addEventListener("keydown", (event) => this.#key(event));
    setInterval(() => this.#showStatistics(), STATISTICS_INTERVAL_MS);
    this.showPlaying();
  }

  /** @param {Video} video its current state */
  update(video) {
    this.#video = video;
    const total = frameCount(video);
    timeline.max = String(Math.max(total, 1) - 1);
    timeline.style.setProperty("--detected", `${(100 * video.frames_detected) / (total || 1)}%`);
    this.#showStatistics();
  }

  /** Show whether the player is playing. */
  showPlaying() {
    const { play, pause } = texts(playButton);
    const { isPlaying } = this.player;
    playButton.ariaLabel = playButton.title = isPlaying ? pause : play;
    playButton.classList.toggle("playing", isPlaying);
  }

  /** @param {import("../sources.js").Frame} frame the one that is shown */
  showPosition({ frame_index, pts_us }) {
    const total = this.#video && frameCount(this.#video);
    const text = texts(timeline).place
      .replace("{time}", timeText(pts_us / 1e6))
      .replace("{frame}", String(frame_index + 1))
      .replace("{total}", total ? String(total) : "?");
    timeline.value = String(frame_index);
    timeline.ariaValueText = text;
    element("place", HTMLElement).textContent = text;
  }

  toggle() {
    if (this.player.isPlaying) this.player.pause();
    else this.player.play();
  }

  /**
   * Pause and move by one frame.
   * @param {1 | -1} direction
   */
  move(direction) {
    this.player.pause();
    if (direction > 0) this.player.step();
    else this.seek(this.player.position - 1);
  }

  /**
   * Move to a frame, or to the last detected frame if it is not detected yet.
   * @param {number} frameIndex
   */
  seek(frameIndex) {
    const last = (this.#video?.frames_detected ?? 0) - 1;
    this.player.seek(Math.max(0, Math.min(frameIndex, last)));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.#video) return;
    if (hasOwnUse(event)) return;
    /** @type {Record<string, () => void>} */
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Home: () => this.seek(0),
      End: () => this.seek(Infinity),
      f: toggleFullScreen,
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** The display rate does not change while the player is paused. */
  #showStatistics() {
    const { player } = this;
    const video = this.#video;
    if (!video) return;
    const ahead = Math.max(0, video.frames_detected - player.next);
    if (player.isPlaying) {
      const fps = player.fps(performance.now());
      element("drawn-fps", HTMLElement).textContent = String(fps);
      const waits = fps === 0 && isActive(video);
      playerStatus.textContent = waits ? texts(playerStatus).waiting : "";
    }
    element("detected-fps", HTMLElement).textContent = video.detect_fps.toFixed(1);
    element("ahead", HTMLElement).textContent = String(ahead);
  }
}

/** Show the picture with its controls in full screen, or leave it. */
function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else theatre.requestFullscreen();
}

function showFullScreen() {
  const { enter, leave } = texts(fullScreen);
  fullScreen.ariaLabel = fullScreen.title = document.fullscreenElement ? leave : enter;
}

/**
 * Whether the focused element handles the key itself.
 * @param {KeyboardEvent} event
 */
function hasOwnUse({ target, key }) {
  if (!(target instanceof Element)) return false;
  if (target === timeline) return key !== " ";
  return key === " " ? usesSpace(target) : target.closest("input, select") !== null;
}
