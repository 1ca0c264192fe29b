import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeElement, fakePage, load } from "./fake-page.js";

const VIDEO = {
  state: "running",
  frames_detected: 50,
  frames_hint: 100,
  duration_s: 4,
  rate: "25/1",
  detect_fps: 12.34,
};

beforeEach((t) => t.mock.timers.enable({ apis: ["setInterval"] }));

/** The controls of a player that records its calls. */
async function openControls(t, { video = VIDEO } = {}) {
  const page = fakePage(t, {
    texts: { play: "play pause", "full-screen": "enter leave", "player-status": "waiting" },
  });
  Object.assign(page.element("timeline").dataset, { place: "{time}, frame {frame} of {total}" });
  page.element("speed").value = "1";
  page.element("theatre").requestFullscreen = () => calls.push("full screen");
  const calls = [];
  const player = {
    isPlaying: false,
    position: 10,
    next: 11,
    rate: 25,
    clock: { setSpeed: (speed) => calls.push(`speed ${speed}`) },
    play: () => calls.push("play"),
    pause: () => calls.push("pause"),
    step: () => calls.push("step"),
    seek: (index) => calls.push(`seek ${index}`),
    fps: () => player.rate,
  };
  const { Controls } = await load("detect_video/static/detect_video/player/controls.js");
  const controls = new Controls(player);
  if (video) controls.update(video);
  calls.length = 0;
  const key = (name, { target = new FakeElement("body"), ...values } = {}) => {
    const event = Object.assign(new Event("keydown", { cancelable: true }), { key: name, ...values });
    Object.defineProperty(event, "target", { value: target });
    document.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return { ...page, controls, player, calls, key };
}

test("the button and the picture play and pause", async (t) => {
  const { element, player, calls } = await openControls(t);

  element("play").click();
  player.isPlaying = true;
  element("frame").click();

  assert.deepEqual(calls, ["play", "pause"]);
});

test("the button's label is its action", async (t) => {
  const { element, controls, player } = await openControls(t);
  assert.equal(element("play").ariaLabel, "play");

  player.isPlaying = true;
  controls.showPlaying();

  assert.equal(element("play").ariaLabel, "pause");
  assert.equal(element("play").classList.contains("playing"), true);
});

test("a step pauses and moves by one frame", async (t) => {
  const { element, calls } = await openControls(t);

  element("forward").click();
  element("back").click();

  assert.deepEqual(calls, ["pause", "step", "pause", "seek 9"]);
});

test("the timeline seeks to a frame, but not beyond the detected ones", async (t) => {
  const { element, calls } = await openControls(t);
  assert.equal(element("timeline").max, "99");

  element("timeline").change({ value: "20" });
  element("timeline").change({ value: "80" });

  assert.deepEqual(calls, ["seek 20", "seek 49"]);
});

test("keys play, step, jump to both ends and toggle full screen", async (t) => {
  const { key, calls } = await openControls(t);

  for (const name of [" ", "ArrowRight", "ArrowLeft", "Home", "End", "f"]) {
    assert.equal(key(name), true, name);
  }

  assert.deepEqual(calls, [
    "play", "pause", "step", "pause", "seek 9", "seek 0", "seek 49", "full screen",
  ]);
});

test("keys with another meaning are ignored", async (t) => {
  const { key, calls, element } = await openControls(t);

  assert.equal(key("x"), false);
  assert.equal(key("f", { ctrlKey: true }), false);
  assert.equal(key(" ", { target: new FakeElement("button") }), false);
  assert.equal(key("ArrowLeft", { target: new FakeElement("input") }), false);
  assert.equal(key("ArrowLeft", { target: element("timeline") }), false);
  assert.equal(key(" ", { target: element("timeline") }), true);

  assert.deepEqual(calls, ["play"]);
});

test("keys do nothing before there is a video", async (t) => {
  const { key, calls } = await openControls(t, { video: null });

  assert.equal(key(" "), false);
  assert.deepEqual(calls, []);
});

test("another speed is passed on", async (t) => {
  const { element, calls } = await openControls(t);

  element("speed").change({ value: "0.5" });

  assert.deepEqual(calls, ["speed 0.5"]);
});

test("the position shows time, frame and number of frames, if known", async (t) => {
  const { text, element, controls } = await openControls(t);
  controls.showPosition({ frame_index: 24, pts_us: 960_000 });
  assert.equal(text("place"), "0:00.9, frame 25 of 100");
  assert.equal(element("timeline").value, "24");

  controls.update({ ...VIDEO, frames_detected: 0, frames_hint: 0, duration_s: null });
  controls.showPosition({ frame_index: 0, pts_us: 0 });

  assert.equal(text("place"), "0:00.0, frame 1 of ?");
});

test("the statistics show both rates and the frames detected ahead", async (t) => {
  const { text, player } = await openControls(t);
  player.isPlaying = true;
  t.mock.timers.tick(250);

  assert.deepEqual(["drawn-fps", "detected-fps", "ahead"].map(text), ["25", "12.3", "39"]);
  assert.equal(text("player-status"), "");
});

test("a player that is faster than detection shows that it is waiting", async (t) => {
  const { text, player, controls } = await openControls(t);
  Object.assign(player, { isPlaying: true, rate: 0, next: 50 });
  t.mock.timers.tick(250);
  assert.equal(text("player-status"), "waiting");
  assert.equal(text("ahead"), "0");

  controls.update({ ...VIDEO, state: "done" });

  assert.equal(text("player-status"), "");
});

test("full screen is offered if the browser supports it", async (t) => {
  const { element } = await openControls(t);

  assert.equal(element("full-screen").hidden, true);
});
