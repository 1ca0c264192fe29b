/** The camera page: off, starting, live, or paused; frames go out one or two at a time. */

import { problemText, requestHeaders } from "../js/api.js";
import { element, texts, usesSpace } from "../js/dom.js";
import { remember, rememberControls, remembered } from "../js/memory.js";
import { fileStamp } from "../js/times.js";
import { cameras, openCamera, playCamera, problemOf, stopCamera } from "./camera.js";
import { capture, nextFrame } from "./capture.js";
import { Link } from "./link.js";
import { Depth, LEVELS, Rate, Smooth, nextLevel } from "./pace.js";
import { Recorder } from "./recorder.js";
import { paint, show, snapshot } from "./view.js";

/** @typedef {"off" | "starting" | "live" | "paused"} State */

const CAMERA = "camera.camera";
const ADAPT_MS = 2000;

const page = element("camera-page", HTMLElement);
const playButton = element("play", HTMLButtonElement);
const recordButton = element("record", HTMLButtonElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const video = element("video", HTMLVideoElement);
const stage = element("stage", HTMLElement);
const chooser = element("camera", HTMLSelectElement);
const facing = element("facing", HTMLSelectElement);
const resolution = element("resolution", HTMLSelectElement);
const quality = element("quality", HTMLSelectElement);
/** @type {HTMLSelectElement | null} there is none without an installed model */
const model = page.querySelector("#model");
const recorder = new Recorder(paint);

/** @type {State} */
let state = "off";
/** @type {MediaStream | null} */
let stream = null;
/** @type {Link | null} */
let link = null;
/** @type {Map<number, {bitmap: ImageBitmap, captured_ms: number}>} frames without an answer */
const sent = new Map();
let newest = 0;
/** @type {{blob: Blob, name: string} | null} the name without an ending */
let recording = null;
let level = LEVELS.length - 1;
let adapted_ms = 0;
let depth = new Depth(0);
let drawnFrames = new Rate();
let delay = new Smooth();
let network = new Smooth();

/** @param {State} next */
function setState(next) {
  state = next;
  page.dataset.state = next;
  const { start, pause, play } = texts(playButton);
  playButton.textContent = { off: start, starting: start, live: pause, paused: play }[next];
  playButton.disabled = next === "starting";
  status.textContent = texts(status)[next];
  stage.setAttribute("aria-busy", String(next === "starting"));
  element("snapshot", HTMLButtonElement).disabled = newest === 0;
  recordButton.disabled = next !== "live" && !recorder.isRecording;
}

async function play() {
  error.textContent = "";
  setState("starting");
  try {
    stream = await openCamera({
      deviceId: chooser.value || (remembered(CAMERA) ?? ""),
      facing: facing.value,
      width: Number(resolution.value),
    });
    await playCamera(stream, video);
  } catch (reason) {
    stream = null;
    error.textContent = texts(error)[problemOf(reason, isSecureContext)];
    setState(newest ? "paused" : "off");
    return;
  }
  for (const track of stream.getTracks()) {
    track.addEventListener("ended", () => pause(texts(error).ended));
  }
  listCameras();
  element("invitation", HTMLElement).hidden = true;
  element("live", HTMLElement).hidden = false;
  link ??= new Link(socketUrl(), { ready, result, lost, problem, ended, broken });
  depth = new Depth(performance.now());
  drawnFrames = new Rate();
  delay = new Smooth();
  network = new Smooth();
  setState("live");
  run(stream);
  // The visitor may have left while the browser asked.
  if (document.hidden) pause(texts(error).hidden);
}

/** @param {string} [reason] why, when it was not the visitor's wish */
function pause(reason = "") {
  if (state !== "live") return;
  // Frames under way belong to the past: what is seen now stays.
  forget();
  turnOff();
  // A place on the server is for those who send frames.
  link?.close();
  link = null;
  error.textContent = reason;
  setState("paused");
}

function turnOff() {
  stopCamera(stream, video);
  stream = null;
}

function forget() {
  for (const { bitmap } of sent.values()) bitmap.close();
  sent.clear();
}

/**
 * Send frames until the camera pauses or another one takes over; one that cannot be read ends it.
 * @param {MediaStream} own
 */
async function run(own) {
  try {
    await sendFrames(own);
  } catch (reason) {
    console.warn("A frame of the camera could not be read:", reason);
    if (stream === own) pause(texts(error).unreadable);
  }
}

/**
 * Send the newest frame whenever there is room for one.
 * @param {MediaStream} own
 */
async function sendFrames(own) {
  while (state === "live" && stream === own) {
    await nextFrame(video);
    if (state !== "live" || stream !== own || !link?.isReady) continue;
    if (link.underWay.size >= depth.depth || video.videoWidth === 0) continue;
    const captured_ms = performance.now();
    const { bitmap, jpeg } = await capture(video, frameOptions());
    if (state !== "live" || !link.isReady) {
      bitmap.close();
      continue;
    }
    sent.set(link.send(jpeg, captured_ms), { bitmap, captured_ms });
  }
}

/** Size and quality of the next frame: by hand, or by what the network carries. */
function frameOptions() {
  if (quality.value === "auto") return LEVELS[level];
  return { side: Number(resolution.value), quality: Number(quality.value) };
}

function ready() {
  if (state === "live") status.textContent = texts(status).live;
  error.textContent = "";
}

/**
 * @param {number} sequence
 * @param {import("./link.js").FrameResult} answer
 */
function result(sequence, answer) {
  const frame = sent.get(sequence);
  sent.delete(sequence);
  // One that was overtaken would let the picture jump back.
  if (!frame || state !== "live" || sequence < newest) {
    frame?.bitmap.close();
    return;
  }
  newest = sequence;
  show(frame.bitmap, answer);
  recorder.frameDrawn();
  const now_ms = performance.now();
  const delay_ms = now_ms - frame.captured_ms;
  drawnFrames.count(now_ms);
  delay.add(delay_ms);
  network.add(delay_ms - answer.server_ms);
  depth.drawn(now_ms, delay_ms);
  tellPace(now_ms, answer);
  if (now_ms - adapted_ms > ADAPT_MS) {
    adapted_ms = now_ms;
    level = nextLevel(level, network.value ?? 0);
  }
  page.dataset.frames = String(Number(page.dataset.frames ?? 0) + 1);
  element("snapshot", HTMLButtonElement).disabled = false;
}

/** @param {number} sequence */
function lost(sequence) {
  sent.get(sequence)?.bitmap.close();
  sent.delete(sequence);
}

/** @param {string} detail */
function problem(detail) {
  error.textContent = detail;
}

function ended() {
  link = null;
  pause(error.textContent ?? "");
}

function broken() {
  if (state === "live") status.textContent = texts(status).reconnecting;
}

/**
 * @param {number} now_ms
 * @param {import("./link.js").FrameResult} answer
 */
function tellPace(now_ms, { timing_ms, model: name, image }) {
  const { side, quality: jpegQuality } = frameOptions();
  const facts = {
    fps: drawnFrames.perSecond(now_ms).toFixed(1),
    delay: ms(delay.value),
    network: ms(network.value),
    queue: ms(timing_ms.queue),
    inference: ms(timing_ms.inference),
    "frame-size": `${image.width} × ${image.height}, ${Math.round(jpegQuality * 100)} %`,
    "model-name": name,
    "under-way": String(depth.depth),
  };
  for (const [id, text] of Object.entries(facts)) element(id, HTMLElement).textContent = text;
  page.dataset.side = String(side);
}

/** @param {number | null} value */
function ms(value) {
  return value === null ? "–" : `${Math.round(value)} ms`;
}

/** Cameras have names only once one of them was allowed. */
async function listCameras() {
  // Without leave they have no ids either.
  const found = (await cameras()).filter(({ deviceId }) => deviceId);
  const open = stream?.getVideoTracks()[0]?.getSettings().deviceId;
  const chosen = open ?? (chooser.value || remembered(CAMERA));
  const any = /** @type {HTMLOptionElement} */ (chooser.options[0]);
  const options = found.map(({ deviceId, label }, index) => {
    const option = new Option(label || `${any.text} ${index + 1}`, deviceId);
    option.selected = deviceId === chosen;
    return option;
  });
  chooser.replaceChildren(any, ...options);
}

function socketUrl() {
  const url = new URL(page.dataset.socket ?? "", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (model) url.searchParams.set("model", model.value);
  return url.href;
}

/** Another camera or size: what plays now ends, and play begins anew. */
function restart() {
  if (state !== "live") return;
  forget();
  turnOff();
  play();
}

async function takeSnapshot() {
  const canvas = snapshot();
  if (!canvas) return;
  const name = `${stampedName()}.jpg`;
  canvas.toBlob((blob) => blob && save(blob, name), "image/jpeg", 0.92);
}

/** What files of this moment are called. */
function stampedName() {
  return `camera-${fileStamp(new Date())}`;
}

async function toggleRecording() {
  const { record, stop } = texts(recordButton);
  if (!recorder.isRecording) {
    recorder.start();
    recordButton.textContent = stop;
    return;
  }
  const blob = await recorder.stop();
  recording = { blob, name: stampedName() };
  recordButton.textContent = record;
  setState(state);
  const link = element("recording", HTMLAnchorElement);
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(blob);
  link.download = `${recording.name}.${blob.type.split("/")[1]}`;
  element("recorded", HTMLElement).hidden = false;
}

/** No browser writes AVI files, so the server makes one of the recording. */
async function saveAsAvi() {
  if (!recording) return;
  const { blob, name } = recording;
  const button = element("as-avi", HTMLButtonElement);
  const body = new FormData();
  body.append("video", blob, "recording");
  button.disabled = true;
  button.textContent = texts(button).busy;
  error.textContent = "";
  try {
    const url = page.dataset.avi ?? "";
    const response = await fetch(url, { method: "POST", body, headers: requestHeaders() });
    if (response.ok) save(await response.blob(), `${name}.avi`);
    else error.textContent = await problemText(response);
  } catch {
    error.textContent = texts(error).unreachable;
  }
  button.disabled = false;
  button.textContent = texts(button).label;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Pause, or play on; while the camera starts neither. */
function toggle() {
  if (state === "live") pause();
  else if (state !== "starting") play();
}

playButton.addEventListener("click", toggle);
playButton.disabled = false;
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.altKey || event.ctrlKey || event.metaKey) return;
  if (usesSpace(event.target)) return;
  event.preventDefault();
  if (!event.repeat) toggle();
});
element("snapshot", HTMLButtonElement).addEventListener("click", takeSnapshot);
recordButton.addEventListener("click", toggleRecording);
element("as-avi", HTMLButtonElement).addEventListener("click", saveAsAvi);
recordButton.hidden = !Recorder.isSupported;
chooser.addEventListener("change", () => {
  remember(CAMERA, chooser.value);
  restart();
});
facing.addEventListener("change", () => {
  chooser.value = "";
  remember(CAMERA, "");
  restart();
});
resolution.addEventListener("change", restart);
model?.addEventListener("change", () => {
  link?.close();
  link = null;
  restart();
});
document.addEventListener("visibilitychange", () => {
  // Browsers starve hidden tabs, and nobody watches them.
  if (document.hidden) pause(texts(error).hidden);
});
addEventListener("pagehide", () => {
  turnOff();
  link?.close();
});

rememberControls("camera", [facing, resolution, quality, ...(model ? [model] : [])]);
listCameras();
if (!isSecureContext) error.textContent = texts(error).insecure;
setState("off");
