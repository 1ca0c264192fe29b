/** The video page: the upload form with the list of videos, or one video in the player. */

import { failureText, requestJson } from "../js/requests/api.js";
import { element, texts } from "../js/dom.js";
import { remember, remembered } from "../js/memory.js";
import { Counting } from "./counts/counting.js";
import { Controls } from "./player/controls.js";
import { showDetectAgain, whenDetectedAgain } from "./detect-again.js";
import { saveAfter, showRenderings } from "./renderings.js";
import { clearBoxes, prepareView, showFrame } from "./player/frame-view.js";
import { showState } from "./job-state.js";
import { Player } from "./player/player.js";
import { BrowserSource, ServerSource } from "./sources.js";
import { whenVideoUploaded } from "./upload/upload-form.js";
import { isDetectedAgain } from "./video.js";
import { keepVideoList } from "./video-list.js";
import { VideoSocket } from "./player/video-socket.js";

/** @typedef {import("./video.js").Video} Video */

const POSITION_KEY = "video.place";

const page = element("page", HTMLElement);
const playerError = element("player-error", HTMLElement);

/**
 * Play the detected part of a video, which grows during detection.
 * @param {Video} video
 * @param {File | string} file the chosen file, or the address of the server's copy
 */
async function watch(video, file) {
  const server = new ServerSource((message) => socket.send(message));
  const player = new Player({
    draw(frame) {
      showFrame(frame, player.source?.name ?? "");
      controls.showPosition(frame);
      counting.showFrame(frame.frame_index);
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
  const counting = new Counting({
    seek: (frameIndex) => controls.seek(frameIndex),
    pause: () => player.pause(),
    source: () => player.source,
  });
  saveAfter(() => counting.regionsStored);
  let shown = video;
  /** @param {Video} current */
  const update = (current) => {
    const { source } = player;
    if (source && isDetectedAgain(shown, current)) {
      source.reset();
      clearBoxes();
      counting.forget();
      player.seek(0);
      socket.send(source.startMessage());
    }
    shown = current;
    show(current, controls);
    counting.update(current);
  };
  show(video, controls);
  counting.update(video);
  const source = (await browserSource(file)) ?? server;
  const socket = new VideoSocket(video.urls.socket, {
    startMessage: () => player.source?.startMessage() ?? {},
    receive(message) {
      if (message.type === "info") update(message);
      else player.source?.receive(message);
    },
    fail: (detail) => {
      playerError.textContent = detail && (texts(playerError)[detail] ?? detail);
    },
  });
  whenDetectedAgain(update);
  const last = lastPosition(video);
  player.next = last?.frameIndex ?? 0;
  player.use(source);
  if (last?.isPlaying ?? !matchMedia("(prefers-reduced-motion: reduce)").matches) player.play();
  else player.step();
  addEventListener("pagehide", () => {
    const { position: frameIndex, isPlaying } = player;
    const stored = { id: video.id, frameIndex: Math.max(0, frameIndex), isPlaying };
    remember(POSITION_KEY, JSON.stringify(stored), "sessionStorage");
  });
  (function animate(/** @type {number} */ nowMs) {
    player.tick(nowMs);
    requestAnimationFrame(animate);
  })(performance.now());
}

/**
 * The position in this tab before a reload or a change of language; null for another video.
 * @param {Video} video
 * @returns {{id: string, frameIndex: number, isPlaying: boolean} | null}
 */
function lastPosition({ id }) {
  const last = JSON.parse(remembered(POSITION_KEY, "sessionStorage") ?? "null");
  return last?.id === id ? last : null;
}

/**
 * @param {Video} video
 * @param {Controls} controls
 */
function show(video, controls) {
  controls.update(video);
  showState(video);
  showDetectAgain(video);
  showRenderings(video);
}

/**
 * The browser's own decoder; null if it cannot read the file.
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
 * Show the player instead of the list. An incomplete upload keeps the form.
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
  prepareView(video);
  // The focused form is hidden now.
  element("play", HTMLButtonElement).focus({ preventScroll: true });
  watch(video, file);
}

/** Open the video that the page's address names. */
async function openFromServer() {
  try {
    /** @type {Video} */
    const video = await requestJson(texts(page).video);
    open(video, video.urls.file);
  } catch (reason) {
    const notice = element("notice", HTMLElement);
    notice.textContent = failureText(reason, texts(notice).unreachable);
  }
}

whenVideoUploaded((video, file) => {
  history.pushState(null, "", video.urls.page);
  // Return to the video after a change of language or a sign-in.
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
