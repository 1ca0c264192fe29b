import assert from "node:assert/strict";
import { test } from "node:test";

import { Player } from "../../detect_video/static/detect_video/player/player.js";

/** Frames 40 ms apart; `failsAt` breaks the source there. */
function fakeSource(total, { failsAt = NaN } = {}) {
  const open = new Set();
  return {
    name: "browser",
    open,
    async *frames(from) {
      for (let frame_index = from; frame_index < total; frame_index++) {
        if (frame_index === failsAt) throw new Error("decoder");
        const picture = { close: () => open.delete(frame_index) };
        open.add(frame_index);
        yield { frame_index, pts_us: frame_index * 40_000, detections: [], picture };
      }
    },
  };
}

function playerOf(source) {
  const drawn = [];
  const failures = [];
  const player = new Player({
    draw: ({ frame_index }) => drawn.push(frame_index),
    changed() {},
    fail: (reason) => failures.push(reason),
  });
  player.use(source);
  let nowMs = 0;
  /** So many pictures of the screen, 10 ms apart. */
  async function screen(count) {
    for (let shown = 0; shown < count; shown++) {
      await new Promise(setImmediate);
      player.tick((nowMs += 10));
    }
  }
  return { player, drawn, failures, screen };
}

test("every frame is drawn once, in order and on time, until the end", async () => {
  const source = fakeSource(5);
  const { player, drawn, screen } = playerOf(source);
  player.play();
  await screen(9);
  assert.deepEqual(drawn, [0, 1, 2]);
  await screen(20);
  assert.deepEqual(drawn, [0, 1, 2, 3, 4]);
  assert.equal(player.isPlaying, false);
  assert.equal(source.open.size, 0);
});

test("during a pause nothing is drawn, and play continues at the next frame", async () => {
  const { player, drawn, screen } = playerOf(fakeSource(50));
  player.play();
  await screen(9);
  player.pause();
  await screen(50);
  assert.deepEqual(drawn, [0, 1, 2]);
  player.play();
  await screen(5);
  assert.deepEqual(drawn, [0, 1, 2, 3, 4]);
});

test("a step draws one frame", async () => {
  const { player, drawn, screen } = playerOf(fakeSource(50));
  player.step();
  await screen(9);
  player.step();
  player.step();
  await screen(9);
  assert.deepEqual(drawn, [0, 1, 2]);
});

test("seeking draws the frame and closes the one that was prepared", async () => {
  const source = fakeSource(50);
  const { player, drawn, screen } = playerOf(source);
  await screen(2);
  player.seek(20);
  await screen(9);
  player.seek(7);
  await screen(9);
  assert.deepEqual(drawn, [20, 7]);
  assert.deepEqual([...source.open], [8]);
  player.play();
  await screen(5);
  assert.deepEqual(drawn.slice(2), [8, 9]);
});

test("the position is that of the requested frame, also before it is drawn", async () => {
  const { player, screen } = playerOf(fakeSource(3));
  assert.equal(player.position, -1);
  player.seek(1);
  assert.equal(player.position, 1);
  await screen(2);
  assert.equal(player.position, 1);
  player.step();
  assert.equal(player.position, 2);
  await screen(2);
  player.step();
  assert.equal(player.position, 2);
});

test("after the end, play starts from the beginning", async () => {
  const { player, drawn, screen } = playerOf(fakeSource(2));
  player.play();
  await screen(20);
  player.play();
  await screen(20);
  assert.deepEqual(drawn, [0, 1, 0, 1]);
});

test("another source continues at the frame where one failed", async () => {
  const { player, drawn, failures, screen } = playerOf(fakeSource(5, { failsAt: 3 }));
  player.play();
  await screen(30);
  assert.deepEqual(drawn, [0, 1, 2]);
  assert.equal(failures.length, 1);
  player.use(fakeSource(5));
  await screen(30);
  assert.deepEqual(drawn, [0, 1, 2, 3, 4]);
});
