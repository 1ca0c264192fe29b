/**
 * Where frames come from, each with what was found in it: the browser's own decoder, or the server.
 *
 * @typedef {import("./result-store.js").Result} Result
 * @typedef {object} Picture
 * @property {(ctx: CanvasRenderingContext2D, width: number, height: number) => void} draw
 * @property {() => void} close gives its memory back
 *
 * @typedef {Result & {picture: Picture}} Frame
 *
 * @typedef {object} FrameSource
 * @property {"browser" | "server"} name
 * @property {() => object} startMessage what to ask the server for on a new connection
 * @property {(message: any) => void} receive an answer of the server's
 * @property {(from: number, signal: AbortSignal) => AsyncGenerator<Frame>} frames every frame
 *   from an index on; throws when they cannot be had, or when `signal` is aborted. The next one
 *   shall be asked for when the one before is drawn. One such generator works at a time.
 */

import { Change } from "./change.js";
import { parseFrameMessage } from "./frame-message.js";
import { ResultStore } from "./result-store.js";

/** @import * as mediabunny from "mediabunny" */
/** @import { VideoSample, VideoSampleSink } from "mediabunny" */

// Pictures the server may send ahead of the one that is drawn.
const CREDIT = 16;
// Each place that the server is asked for costs it a new decoder: a slider that is moved has to
// rest for so long.
const REST_MS = 150;

/**
 * Frames from the server, with their results in the same message.
 * @implements {FrameSource}
 */
export class ServerSource {
  /** @type {"server"} */
  name = "server";
  /** @type {ReturnType<typeof parseFrameMessage>[]} */
  #arrived = [];
  #next = 0;
  #isAsked = false;
  #total = Infinity;
  #change = new Change();

  /** @param {(message: object) => void} send to the server, if it can be reached */
  constructor(send) {
    this.send = send;
  }

  startMessage() {
    this.#isAsked = true;
    const from = this.#next + this.#arrived.length;
    return { type: "start", mode: "frames", from, credit: CREDIT - this.#arrived.length };
  }

  /** @param {any} message */
  receive(message) {
    if (message instanceof ArrayBuffer) {
      this.#keep(parseFrameMessage(message));
    } else if (message.type === "end") {
      this.#total = message.total;
    }
    this.#change.notify();
  }

  /** @param {ReturnType<typeof parseFrameMessage>} message */
  #keep(message) {
    if (message.result.frame_index === this.#next + this.#arrived.length) {
      this.#arrived.push(message);
    } else {
      // It was on its way when another place was asked for.
      this.send({ type: "credit", n: 1 });
    }
  }

  /**
   * @param {number} from
   * @param {AbortSignal} signal
   */
  async *frames(from, signal) {
    this.#next = from;
    this.#arrived = [];
    this.#isAsked = false;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    signal.throwIfAborted();
    // A connection that was opened meanwhile began with it.
    if (!this.#isAsked) this.send(this.startMessage());
    while (true) {
      const message = this.#arrived[0];
      if (message) {
        const bitmap = await createImageBitmap(message.jpeg);
        if (signal.aborted) bitmap.close();
        signal.throwIfAborted();
        this.#arrived.shift();
        this.#next += 1;
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

// A longer pause, and browsers may have taken the decoder away.
const IDLE_MS = 5000;
// Time stamps are rounded on their way.
const TOLERANCE_S = 0.001;

/**
 * Frames from the browser's decoder; only their results come from the server.
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
   * A source for the chosen file, or for the one at an address; null when this browser cannot
   * decode it. Throws when it cannot be read.
   * @param {string} mediabunnyUrl
   * @param {File | string} file
   */
  static async open(mediabunnyUrl, file) {
    if (!mediabunnyUrl || !("VideoDecoder" in window)) return null;
    /** @type {typeof mediabunny} */
    const reader = await import(mediabunnyUrl);
    const bytes = file instanceof File ? new reader.BlobSource(file) : new reader.UrlSource(file);
    const input = new reader.Input({ source: bytes, formats: reader.ALL_FORMATS });
    const track = await input.getPrimaryVideoTrack();
    if (!track || !(await track.canDecode())) return null;
    return new BrowserSource(new reader.VideoSampleSink(track));
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
    let askedMs = 0;
    try {
      for (let index = from; ; index++) {
        const result = await this.#results.at(index, signal);
        if (!result) return;
        const isFresh = performance.now() - askedMs < IDLE_MS;
        askedMs = performance.now();
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
 * The picture of a result: the one with its time stamp. Throws when there is none.
 * @param {AsyncGenerator<VideoSample, void>} samples
 * @param {Result} result
 */
async function sampleOf(samples, { frame_index, pts_us }) {
  const ptsS = pts_us / 1e6;
  for (;;) {
    const { value: sample } = await samples.next();
    if (sample && Math.abs(sample.timestamp - ptsS) <= TOLERANCE_S) return sample;
    sample?.close();
    // Edited files hold frames that are not to be shown; those are passed over.
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
