/** The video page: the list with the form, or one video in the player. */

import { Problem, requestJson } from "../js/api.js";
import { element, texts } from "../js/dom.js";
import { remember, remembered } from "../js/memory.js";
import { Controls } from "./controls.js";
import { showExports } from "./exports.js";
import { Player } from "./player.js";
import { prepareScreen, showFrame } from "./screen.js";
import { VideoSocket } from "./socket.js";
import { BrowserSource, ServerSource } from "./sources.js";
import { showState } from "./state.js";
import { whenVideoSent } from "./upload-form.js";
import { keepVideoList } from "./video-list.js";

/** @typedef {import("./video.js").Video} Video */

const PLACE = "video.place";

const page = element("page", HTMLElement);
const playerError = element("player-error", HTMLElement);

/**
 * Play a video as far as it is detected, and go on as more is.
 * @param {Video} video
 * @param {File | string} file the chosen one, or the address of the server's
 */
async function watch(video, file) {
  const server = new ServerSource((message) => socket.send(message));
  const player = new Player({
    draw(frame) {
      showFrame(frame, player.source?.name ?? "");
      controls.showPlace(frame);
    },
    changed: () => controls.showPlaying(),
    fail(reason) {
      if (player.source === server) {
        playerError.textContent = texts(playerError).broken;
        console.error(reason);
        return;
      }
      console.warn("The browser cannot decode this video, the server does:", reason);
      player.use(server);
    },
  });
  const controls = new Controls(player);
  show(video, controls);
  const source = (await browserSource(file)) ?? server;
  const socket = new VideoSocket(video.urls.socket, {
    startMessage: () => player.source?.startMessage() ?? {},
    receive(message) {
      if (message.type === "info") show(message, controls);
      else player.source?.receive(message);
    },
    fail: (detail) => {
      playerError.textContent = detail && (texts(playerError)[detail] ?? detail);
    },
  });
  const last = lastPlace(video);
  player.next = last?.frameIndex ?? 0;
  player.use(source);
  if (last?.isPlaying ?? !matchMedia("(prefers-reduced-motion: reduce)").matches) player.play();
  else player.step();
  addEventListener("pagehide", () => {
    const { place: frameIndex, isPlaying } = player;
    const kept = { id: video.id, frameIndex: Math.max(0, frameIndex), isPlaying };
    remember(PLACE, JSON.stringify(kept), "sessionStorage");
  });
  (function onScreen(/** @type {number} */ nowMs) {
    player.tick(nowMs);
    requestAnimationFrame(onScreen);
  })(performance.now());
}

/**
 * Where this tab left the video, to be reloaded or shown in another language; null for another one.
 * @param {Video} video
 * @returns {{id: string, frameIndex: number, isPlaying: boolean} | null}
 */
function lastPlace({ id }) {
  const last = JSON.parse(remembered(PLACE, "sessionStorage") ?? "null");
  return last?.id === id ? last : null;
}

/**
 * @param {Video} video
 * @param {Controls} controls
 */
function show(video, controls) {
  controls.update(video);
  showState(video);
  showExports(video);
}

/**
 * The browser's own decoder, or null where it cannot read the file.
 * @param {File | string} file
 */
async function browserSource(file) {
  try {
    return await BrowserSource.open(texts(page).mediabunny, file);
  } catch (reason) {
    console.warn("The browser cannot read this video, the server does:", reason);
    return null;
  }
}

/**
 * Show the player in place of the list. A video whose file is not here yet stays with the form.
 * @param {Video} video
 * @param {File | string} file
 */
function open(video, file) {
  document.title = video.name;
  element("title", HTMLElement).textContent = video.name;
  if (!video.width) {
    const notice = element("notice", HTMLElement);
    notice.textContent = video.error || texts(notice).unfinished;
    return;
  }
  element("chooser", HTMLElement).hidden = true;
  element("player", HTMLElement).hidden = false;
  prepareScreen(video);
  // The form that had the keyboard's focus is gone.
  element("play", HTMLButtonElement).focus({ preventScroll: true });
  watch(video, file);
}

/** The address of a single video was opened. */
async function openFromServer() {
  try {
    /** @type {Video} */
    const video = await requestJson(texts(page).video);
    open(video, video.urls.file);
  } catch (reason) {
    const notice = element("notice", HTMLElement);
    notice.textContent = reason instanceof Problem ? reason.message : texts(notice).unreachable;
  }
}

whenVideoSent((video, file) => {
  history.pushState(null, "", video.urls.page);
  // Who chooses another language, or signs in, comes back to the video.
  for (const field of document.querySelectorAll(".languages [name=next]")) {
    /** @type {HTMLInputElement} */ (field).value = video.urls.page;
  }
  for (const link of document.querySelectorAll(".account a[href*='next=']")) {
    /** @type {HTMLAnchorElement} */ (link).search = `?next=${encodeURIComponent(video.urls.page)}`;
  }
  open(video, file);
});
window.addEventListener("popstate", () => location.reload());
if (texts(page).video) openFromServer();
else keepVideoList();
