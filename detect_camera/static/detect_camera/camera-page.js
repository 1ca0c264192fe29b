/** The camera page: sends frames while it is live, and shows each with its result. */

import { Problem, failureText, problemText, requestHeaders } from "../js/requests/api.js";
import { jpegBlob } from "../js/drawing/canvas.js";
import { element, texts, usesSpace } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { remember, rememberControls, remembered } from "../js/memory.js";
import { RateMeter } from "../js/rate-meter.js";
import { saveFile } from "../js/files/save-file.js";
import { fileStamp } from "../js/times.js";
import { CameraSocket } from "./camera-socket.js";
import { cameras, openCamera, playCamera, playClip, problemOf, stopCamera } from "./camera.js";
import { capture, nextFrame } from "./capture.js";
import { Counting } from "./counting.js";
import { paint, show, snapshot } from "./frame-view.js";
import { ExponentialAverage, FramesInFlight, LEVELS, nextLevel } from "./pace.js";
import { Recorder } from "./recorder.js";

/** @typedef {"off" | "starting" | "live" | "paused"} State */

const CAMERA_KEY = "camera.camera";
// In the menu of cameras.
const SAMPLE = "sample";
const ADAPT_INTERVAL_MS = 2000;
const RATE_WINDOW_MS = 2000;
const SNAPSHOT_QUALITY = 0.92;

const page = element("camera-page", HTMLElement);
const playButton = element("play", HTMLButtonElement);
const recordButton = element("record", HTMLButtonElement);
const error = element("error", HTMLElement);
const status = element("status", HTMLElement);
const video = element("video", HTMLVideoElement);
const stage = element("stage", HTMLElement);
const chooser = element("camera", HTMLSelectElement);
const sampleButton = element("sample", HTMLButtonElement);
const facing = element("facing", HTMLSelectElement);
const resolution = element("resolution", HTMLSelectElement);
const quality = element("quality", HTMLSelectElement);
/** @type {HTMLSelectElement | null} null if no model is installed */
const model = page.querySelector("#model");
const recorder = new Recorder(paint);
const counting = new Counting((settings) => socket?.configure(settings));

/** @type {State} */
let state = "off";
/** @type {MediaStream | null} */
let stream = null;
/** @type {CameraSocket | null} */
let socket = null;
/**
 * The frames in flight, by sequence number.
 * @type {Map<number, {bitmap: ImageBitmap, capturedMs: number}>}
 */
const sent = new Map();
/** The sequence number of the frame that is shown; 0 before the first. */
let newest = 0;
/** Since when the server has been loading the model; 0 if it is not. */
let loadingSinceMs = 0;
/** The last error of a frame, until a later frame has a result. */
let frameProblem = "";
/** @type {{blob: Blob, name: string} | null} the name has no extension */
let recording = null;
/** An index of `LEVELS`, for automatic quality. */
let level = LEVELS.length - 1;
let adaptedMs = 0;
let framesInFlight = new FramesInFlight(0);
let drawnFrames = new RateMeter(RATE_WINDOW_MS);
let latency = new ExponentialAverage();
let network = new ExponentialAverage();

/** @param {State} next */
function setState(next) {
  state = next;
  page.dataset.state = next;
  const { start, pause, play } = texts(playButton);
  playButton.textContent = { off: start, starting: start, live: pause, paused: play }[next];
  const { label, camera } = texts(sampleButton);
  sampleButton.textContent = isSample() ? camera : label;
  sampleButton.disabled = next === "starting";
  playButton.disabled = next === "starting";
  showStatus();
  element("snapshot", HTMLButtonElement).disabled = newest === 0;
  recordButton.disabled = next !== "live" && !recorder.isRecording;
}

function showStatus() {
  const isConnecting = state === "live" && !socket?.isReady;
  const isLoading = state === "live" && loadingSinceMs > 0;
  if (isLoading) showLoading(status, loadingSinceMs);
  else status.textContent = texts(status)[isConnecting ? "starting" : state];
  stage.setAttribute("aria-busy", String(state === "starting" || isConnecting || isLoading));
}

async function play() {
  error.textContent = "";
  setState("starting");
  try {
    stream = await openSource();
  } catch (reason) {
    stream = null;
    error.textContent = texts(error)[isSample() ? "unreachable" : problemOf(reason, isSecureContext)];
    setState(newest ? "paused" : "off");
    return;
  }
  for (const track of stream.getTracks()) {
    track.addEventListener("ended", () => pause(texts(error).ended));
  }
  listCameras();
  element("invitation", HTMLElement).hidden = true;
  element("live", HTMLElement).hidden = false;
  socket ??= new CameraSocket(socketPath(), {
    loading,
    ready,
    result,
    lost,
    problem,
    signedOut,
    disconnected,
  });
  framesInFlight = new FramesInFlight(performance.now());
  drawnFrames = new RateMeter(RATE_WINDOW_MS);
  latency = new ExponentialAverage();
  network = new ExponentialAverage();
  setState("live");
  run(stream);
  // The tab may have been hidden while the browser asked for permission.
  if (document.hidden) pause(texts(error).hidden);
}

function isSample() {
  return chooser.value === SAMPLE;
}

/** Play the chosen camera or the sample clip. */
async function openSource() {
  element("sample-label", HTMLElement).hidden = !isSample();
  if (isSample()) return playClip(texts(sampleButton).url, video);
  const opened = await openCamera({
    deviceId: chooser.value || (remembered(CAMERA_KEY) ?? ""),
    facing: facing.value,
    width: Number(resolution.value),
  });
  await playCamera(opened, video);
  return opened;
}

/** @param {string} [reason] shown as an error; empty if the user paused */
function pause(reason = "") {
  if (state !== "live") return;
  // The frame that is shown stays, so late results are not drawn.
  discardSent();
  turnOff();
  // The server limits how many cameras are connected.
  disconnect();
  error.textContent = reason;
  setState("paused");
}

function disconnect() {
  socket?.close();
  socket = null;
  loadingSinceMs = 0;
}

function turnOff() {
  stopCamera(stream, video);
  stream = null;
}

function discardSent() {
  for (const { bitmap } of sent.values()) bitmap.close();
  sent.clear();
}

/**
 * Send frames until the camera is paused or replaced. Pauses if a frame cannot be read.
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
 * Send the newest frame whenever another one may be in flight.
 * @param {MediaStream} own
 */
async function sendFrames(own) {
  while (state === "live" && stream === own) {
    await nextFrame(video);
    if (state !== "live" || stream !== own || !socket?.isReady) continue;
    if (socket.inFlight >= framesInFlight.limit || video.videoWidth === 0) continue;
    const capturedMs = performance.now();
    const { bitmap, jpeg } = await capture(video, frameOptions());
    if (state !== "live" || !socket.isReady) {
      bitmap.close();
      continue;
    }
    sent.set(socket.send(jpeg, capturedMs), { bitmap, capturedMs });
  }
}

/** Size and quality of the next frame: as chosen, or adapted to the network. */
function frameOptions() {
  if (quality.value === "auto") return LEVELS[level];
  return { side: Number(resolution.value), quality: Number(quality.value) };
}

function loading() {
  if (state !== "live") return;
  loadingSinceMs ||= performance.now();
  error.textContent = "";
  showStatus();
}

function ready() {
  const settings = counting.firstSettings;
  if (settings) socket?.configure(settings);
  loadingSinceMs = 0;
  error.textContent = "";
  showStatus();
}

/**
 * @param {number} sequence
 * @param {import("./camera-socket.js").FrameResult} answer
 */
function result(sequence, answer) {
  const frame = sent.get(sequence);
  sent.delete(sequence);
  // Older than the frame that is shown: do not jump back.
  if (!frame || state !== "live" || sequence < newest) {
    frame?.bitmap.close();
    return;
  }
  newest = sequence;
  if (loadingSinceMs) ready();
  // Later frames have no longer the problem of earlier ones; other errors stay.
  if (frameProblem && error.textContent === frameProblem) error.textContent = frameProblem = "";
  show(frame.bitmap, answer);
  counting.show(answer);
  recorder.frameDrawn();
  const nowMs = performance.now();
  const latencyMs = nowMs - frame.capturedMs;
  drawnFrames.count(nowMs);
  latency.add(latencyMs);
  network.add(latencyMs - answer.server_ms);
  framesInFlight.drawn(nowMs, latencyMs);
  showFacts(nowMs, answer);
  if (nowMs - adaptedMs > ADAPT_INTERVAL_MS) {
    adaptedMs = nowMs;
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
  error.textContent = frameProblem = detail;
}

function signedOut() {
  socket = null;
  pause(error.textContent ?? "");
}

function disconnected() {
  if (state === "live") status.textContent = texts(status).reconnecting;
}

/**
 * @param {number} nowMs
 * @param {import("./camera-socket.js").FrameResult} answer
 */
function showFacts(nowMs, { timing_ms, model: name, image }) {
  const { side, quality: jpegQuality } = frameOptions();
  const facts = {
    fps: drawnFrames.perSecond(nowMs).toFixed(1),
    delay: ms(latency.value),
    network: ms(network.value),
    queue: ms(timing_ms.queue),
    inference: ms(timing_ms.inference),
    "frame-size": `${image.width} × ${image.height} · ${Math.round(jpegQuality * 100)}%`,
    "model-name": name,
    "under-way": String(framesInFlight.limit),
  };
  for (const [id, text] of Object.entries(facts)) element(id, HTMLElement).textContent = text;
  page.dataset.side = String(side);
}

/** @param {number | null} value */
function ms(value) {
  return value === null ? "–" : `${Math.round(value)} ms`;
}

/** Fill the menu of cameras. Their labels are available once permission was granted. */
async function listCameras() {
  // Without permission they have no ids either.
  const found = (await cameras()).filter(({ deviceId }) => deviceId);
  const open = stream?.getVideoTracks()[0]?.getSettings().deviceId;
  const chosen = open ?? (chooser.value || remembered(CAMERA_KEY));
  const [any, ...others] = chooser.options;
  const sample = others.at(-1) ?? null;
  others.slice(0, -1).forEach((option) => option.remove());
  found.forEach(({ deviceId, label }, index) => {
    const option = new Option(label || `${any.text} ${index + 1}`, deviceId);
    option.selected = deviceId === chosen;
    chooser.insertBefore(option, sample);
  });
}

function socketPath() {
  const { socket: path } = texts(page);
  return model ? `${path}?${new URLSearchParams({ model: model.value })}` : path;
}

/** Apply another camera, size or model. */
function restart() {
  if (state !== "live") return;
  discardSent();
  turnOff();
  play();
}

async function takeSnapshot() {
  const canvas = snapshot();
  if (!canvas) return;
  const name = `${stampedName()}.jpg`;
  saveFile(await jpegBlob(canvas, SNAPSHOT_QUALITY), name);
}

/** @returns {string} a file name without an extension */
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

/** Browsers cannot write AVI files, so the server converts the recording. */
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
    if (!response.ok) throw new Problem(await problemText(response));
    saveFile(await response.blob(), `${name}.avi`);
  } catch (reason) {
    error.textContent = failureText(reason, texts(error).unreachable);
  }
  button.disabled = false;
  button.textContent = texts(button).label;
}

/** Pause or play. Does nothing while the camera is starting. */
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
sampleButton.addEventListener("click", () => {
  chooser.value = isSample() ? "" : SAMPLE;
  if (state === "live") restart();
  else play();
});
chooser.addEventListener("change", () => {
  if (!isSample()) remember(CAMERA_KEY, chooser.value);
  setState(state);
  restart();
});
facing.addEventListener("change", () => {
  chooser.value = "";
  remember(CAMERA_KEY, "");
  restart();
});
resolution.addEventListener("change", restart);
model?.addEventListener("change", () => {
  disconnect();
  restart();
});
document.addEventListener("visibilitychange", () => {
  // Browsers throttle hidden tabs.
  if (document.hidden) pause(texts(error).hidden);
});
addEventListener("pagehide", () => {
  turnOff();
  socket?.close();
});

rememberControls("camera", [facing, resolution, quality, ...(model ? [model] : [])]);
listCameras();
if (!isSecureContext) error.textContent = texts(error).insecure;
setState("off");
