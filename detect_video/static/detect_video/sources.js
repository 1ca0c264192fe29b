/**
 * Sources of frames with their results: the browser's video decoder, or the server.
 *
 * @typedef {import("./player/result-store.js").Result} Result
 * @typedef {object} Picture
 * @property {(ctx: CanvasRenderingContext2D, width: number, height: number) => void} draw
 * @property {() => void} close frees its memory
 *
 * @typedef {Result & {picture: Picture}} Frame
 *
 * @typedef {object} FrameSource
 * @property {"browser" | "server"} name
 * @property {() => object} startMessage the first message of a new connection
 * @property {() => void} reset forgets all results, as there will be others
 * @property {(message: any) => void} receive takes a message of the server
 * @property {(from: number, signal: AbortSignal) => AsyncGenerator<Frame>} frames all frames from an
 *   index on. Throws if the source fails or `signal` is aborted. Request the next frame after the
 *   one before was drawn. Only one generator may run at a time.
 * @property {(frameIndex: number, count: number) => Result[]} before at most as many results of the
 *   frames before one, as far as they are known
 * @property {(frameIndex: number) => Promise<Picture | null>} thumbnail any frame of which there is a
 *   result; null if it would have to be decoded by the server. Throws if it cannot be decoded.
 */

import { Change } from "./change.js";
import { parseFrameMessage } from "./player/frame-message.js";
import { ResultStore } from "./player/result-store.js";

/** @import * as mediabunny from "mediabunny" */
/** @import { VideoSample, VideoSampleSink } from "mediabunny" */

// How many frames the server may send ahead of the one that is drawn.
const CREDIT = 16;
// Each seek makes the server start a new decoder, so wait until the slider stops moving.
const SEEK_DELAY_MS = 150;
// A second of most videos.
const MOST_DRAWN = 60;

/**
 * Frames that the server decodes and sends together with their results.
 * @implements {FrameSource}
 */
export class ServerSource {
  /** @type {"server"} */
  name = "server";
  /** @type {ReturnType<typeof parseFrameMessage>[]} */
  #arrived = [];
  #next = 0;
  /** Whether the server was asked for the frames from `#next` on. */
  #isRequested = false;
  #total = Infinity;
  #change = new Change();
  /** @type {Result[]} the last ones that were drawn, without a gap */
  #drawn = [];

  /** @param {(message: object) => void} send sends to the server if there is a connection */
  constructor(send) {
    this.send = send;
  }

  reset() {
    this.#total = Infinity;
    this.#drawn = [];
  }

  /**
   * @param {number} frameIndex
   * @param {number} count
   */
  before(frameIndex, count) {
    return this.#drawn.filter(({ frame_index }) => frame_index < frameIndex && frame_index >= frameIndex - count);
  }

  async thumbnail() {
    return null;
  }

  startMessage() {
    this.#isRequested = true;
    const from = this.#next + this.#arrived.length;
    return { type: "start", mode: "frames", from, credit: CREDIT - this.#arrived.length };
  }

  /** @param {any} message */
  receive(message) {
    if (message instanceof ArrayBuffer) {
      this.#store(parseFrameMessage(message));
    } else if (message.type === "end") {
      this.#total = message.total;
    }
    this.#change.notify();
  }

  /** @param {ReturnType<typeof parseFrameMessage>} message */
  #store(message) {
    if (message.result.frame_index === this.#next + this.#arrived.length) {
      this.#arrived.push(message);
    } else {
      // The frame was sent before the last seek.
      this.send({ type: "credit", n: 1 });
    }
  }

  /** @param {Result} result */
  #remember(result) {
    if (this.#drawn.at(-1)?.frame_index !== result.frame_index - 1) this.#drawn = [];
    this.#drawn.push(result);
    if (this.#drawn.length > MOST_DRAWN) this.#drawn.shift();
  }

  /**
   * @param {number} from
   * @param {AbortSignal} signal
   */
  async *frames(from, signal) {
    this.#next = from;
    this.#arrived = [];
    this.#isRequested = false;
    await new Promise((resolve) => setTimeout(resolve, SEEK_DELAY_MS));
    signal.throwIfAborted();
    // A connection that was opened meanwhile has requested the frames in its start message.
    if (!this.#isRequested) this.send(this.startMessage());
    while (true) {
      const message = this.#arrived[0];
      if (message) {
        const bitmap = await createImageBitmap(message.jpeg);
        if (signal.aborted) bitmap.close();
        signal.throwIfAborted();
        this.#arrived.shift();
        this.#next += 1;
        this.#remember(message.result);
        yield { ...message.result, picture: bitmapPicture(bitmap) };
        this.send({ type: "credit", n: 1 });
      } else if (this.#next >= this.#total) {
        return;
      } else {
        await this.#change.wait(signal);
      }
    }
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Picture}
 */
function bitmapPicture(bitmap) {
  return {
    draw: (ctx, width, height) => ctx.drawImage(bitmap, 0, 0, width, height),
    close: () => bitmap.close(),
  };
}

// After a longer pause, browsers may have closed the decoder.
const IDLE_MS = 5000;
// Results have rounded timestamps.
const TOLERANCE_S = 0.001;

/**
 * Frames that the browser decodes; only their results come from the server.
 * @implements {FrameSource}
 */
export class BrowserSource {
  /** @type {"browser"} */
  name = "browser";
  #results = new ResultStore();

  /** @param {VideoSampleSink} sink */
  constructor(sink) {
    this.sink = sink;
  }

  /**
   * Open a file or a URL; null if the browser cannot decode it. Throws if it cannot be read.
   * @param {string} mediabunnyUrl the address of the module
   * @param {File | string} file
   */
  static async open(mediabunnyUrl, file) {
    if (!("VideoDecoder" in window)) return null;
    /** @type {typeof mediabunny} */
    const reader = await import(mediabunnyUrl);
    const bytes = file instanceof File ? new reader.BlobSource(file) : new reader.UrlSource(file);
    const input = new reader.Input({ source: bytes, formats: reader.ALL_FORMATS });
    const track = await input.getPrimaryVideoTrack();
    if (!track || !(await track.canDecode())) return null;
    return new BrowserSource(new reader.VideoSampleSink(track));
  }

  reset() {
    this.#results = new ResultStore();
  }

  /**
   * @param {number} frameIndex
   * @param {number} count
   */
  before(frameIndex, count) {
    return this.#results.slice(frameIndex - count, frameIndex);
  }

  /** @param {number} frameIndex */
  async thumbnail(frameIndex) {
    const [result] = this.#results.slice(frameIndex, frameIndex + 1);
    const sample = result && (await this.sink.getSample(result.pts_us / 1e6 + TOLERANCE_S / 2));
    return sample ? samplePicture(sample) : null;
  }

  startMessage() {
    return { type: "start", mode: "results", from: this.#results.size };
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "frames") this.#results.add(message.frames);
    if (message.type === "end") this.#results.end(message.total);
  }

  /**
   * @param {number} from
   * @param {AbortSignal} signal
   */
  async *frames(from, signal) {
    let samples = null;
    let requestedMs = 0;
    try {
      for (let index = from; ; index++) {
        const result = await this.#results.at(index, signal);
        if (!result) return;
        const isFresh = performance.now() - requestedMs < IDLE_MS;
        requestedMs = performance.now();
        samples ??= this.#samplesFrom(result);
        let sample;
        try {
          sample = await sampleOf(samples, result);
        } catch (reason) {
          if (isFresh) throw reason;
          samples = this.#samplesFrom(result);
          sample = await sampleOf(samples, result);
        }
        yield { ...result, picture: samplePicture(sample) };
      }
    } finally {
      samples?.return();
    }
  }

  /** @param {Result} result */
  #samplesFrom({ pts_us }) {
    return this.sink.samples(pts_us / 1e6 + TOLERANCE_S / 2);
  }
}

/**
 * The picture with the timestamp of a result. Throws if there is none.
 * @param {AsyncGenerator<VideoSample, void>} samples
 * @param {Result} result
 */
async function sampleOf(samples, { frame_index, pts_us }) {
  const ptsS = pts_us / 1e6;
  for (;;) {
    const { value: sample } = await samples.next();
    if (sample && Math.abs(sample.timestamp - ptsS) <= TOLERANCE_S) return sample;
    sample?.close();
    // Edited files may contain hidden frames, which have no result.
    if (!sample || sample.timestamp > ptsS) {
      throw new Error(`The browser has no picture for frame ${frame_index} at ${ptsS} s.`);
    }
  }
}

/**
 * @param {VideoSample} sample
 * @returns {Picture}
 */
function samplePicture(sample) {
  return {
    draw: (ctx, width, height) => sample.draw(ctx, 0, 0, width, height),
    close: () => sample.close(),
  };
}
