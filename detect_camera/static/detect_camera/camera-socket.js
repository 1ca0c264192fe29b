/** The camera's connection: sends frames and matches the answers to them. */

import { ReconnectingSocket } from "../js/requests/reconnecting-socket.js";
import { frameMessage } from "./frame-message.js";

/** @typedef {Record<string, number>} ByClass numbers by class id */
/** @typedef {{line: number, track_id: number, class_name: string, direction: "in" | "out"}} Crossing */
/**
 * What was counted since the settings were sent; `crossings` are those of the frame.
 * @typedef {object} Counts
 * @property {{in: ByClass, out: ByClass}[]} lines
 * @property {{now: ByClass, entries: ByClass}[]} zones
 * @property {Crossing[]} crossings
 */
/**
 * `counts` is there if lines or zones were sent.
 * @typedef {import("../js/requests/api.js").Detections &
 *   {server_ms: number, counts?: Counts}} FrameResult
 */
/**
 * @typedef {object} Events none is fired after `close()`, except `lost`
 * @property {() => void} loading the server is loading the model; sent again every few seconds
 * @property {() => void} ready frames may be sent
 * @property {(sequence: number, result: FrameResult) => void} result
 * @property {(sequence: number) => void} lost no result will come for this frame
 * @property {(detail: string) => void} problem an error message of the server
 * @property {() => void} signedOut the session or token is no longer valid; no reconnection
 * @property {() => void} disconnected the connection was lost; a new one is being opened
 */

// The close code for a missing, expired or revoked session or token.
const SIGNED_OUT = 4401;
const TIMEOUT_MS = 5000;

// Results are drawn in the order of their sequence numbers, so these are never used twice on a page.
let lastSequence = 0;

export class CameraSocket {
  /** Whether the server accepts frames. */
  isReady = false;
  /**
   * The frames without an answer, by sequence number.
   * @type {Map<number, ReturnType<typeof setTimeout>>}
   */
  #inFlight = new Map();

  /**
   * @param {string} path
   * @param {Events} events
   */
  constructor(path, events) {
    this.events = events;
    this.socket = new ReconnectingSocket(path, {
      received: (data) => this.#receive(JSON.parse(/** @type {string} */ (data))),
      closed: (code) => this.#closed(code),
    });
  }

  /** How many frames were sent and not answered. */
  get inFlight() {
    return this.#inFlight.size;
  }

  /**
   * @param {ArrayBuffer} jpeg
   * @param {number} capturedMs
   * @returns {number} the frame's sequence number
   */
  send(jpeg, capturedMs) {
    const sequence = (lastSequence += 1);
    this.socket.send(frameMessage(sequence, capturedMs, jpeg));
    // Without a timeout, one missing answer would block a slot forever.
    this.#inFlight.set(sequence, setTimeout(() => this.#lose(sequence), TIMEOUT_MS));
    return sequence;
  }

  /**
   * Say what shall be tracked and counted. Does nothing while the server accepts no frames.
   * @param {object} settings
   */
  configure(settings) {
    if (this.isReady) this.socket.send(JSON.stringify(settings));
  }

  close() {
    this.isReady = false;
    this.socket.close();
    this.#loseAll();
  }

  /** @param {{type: string, seq?: number, code?: string, detail?: string} & FrameResult} message */
  #receive(message) {
    const { type, seq } = message;
    if (type === "ready") {
      this.isReady = true;
      this.socket.settle();
      this.events.ready();
    } else if (type === "loading") {
      this.socket.settle();
      this.events.loading();
    } else if (type === "result" && seq !== undefined) {
      this.#release(seq);
      this.events.result(seq, message);
    } else {
      if (seq !== undefined) this.#lose(seq);
      // The model's files were replaced.
      if (message.code === "model_loading") this.events.loading();
      else if (message.detail) this.events.problem(message.detail);
    }
  }

  /** @param {number} code */
  #closed(code) {
    this.isReady = false;
    this.#loseAll();
    const isSignedOut = code === SIGNED_OUT;
    if (isSignedOut) this.events.signedOut();
    else this.events.disconnected();
    return !isSignedOut;
  }

  /**
   * @param {number} sequence
   * @returns {boolean} whether the frame was in flight
   */
  #release(sequence) {
    clearTimeout(this.#inFlight.get(sequence));
    return this.#inFlight.delete(sequence);
  }

  /** @param {number} sequence */
  #lose(sequence) {
    if (this.#release(sequence)) this.events.lost(sequence);
  }

  #loseAll() {
    for (const sequence of [...this.#inFlight.keys()]) this.#lose(sequence);
  }
}
