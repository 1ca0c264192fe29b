/** The way to the server: frames under way, their answers, and a new connection when it breaks. */

import { frameMessage } from "./frame-message.js";

/** @typedef {import("../js/api.js").Detections & {server_ms: number}} FrameResult */
/**
 * @typedef {object} Events
 * @property {() => void} ready frames may be sent
 * @property {(sequence: number, result: FrameResult) => void} result
 * @property {(sequence: number) => void} lost a frame that will have no result
 * @property {(detail: string) => void} problem what the server complains of
 * @property {() => void} ended the server goes on only with another session or token
 * @property {() => void} broken the connection is gone; another one is on its way
 */

// Signed out, or the site is closed to visitors: connecting again does not help.
const SIGNED_OUT = 4401;
const TIMEOUT_MS = 5000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;

// Frames are drawn in the order of their numbers, which therefore go on from one link to the next.
let sequence = 0;

export class Link {
  /**
   * @param {string} url
   * @param {Events} events
   */
  constructor(url, events) {
    this.url = url;
    this.events = events;
    this.isReady = false;
    this.isClosed = false;
    this.retry_ms = FIRST_RETRY_MS;
    /** @type {Map<number, ReturnType<typeof setTimeout>>} */
    this.underWay = new Map();
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    this.socket.onclose = ({ code }) => this.lose(code);
  }

  /**
   * @param {ArrayBuffer} jpeg
   * @param {number} captured_ms
   * @returns {number} the frame's sequence number
   */
  send(jpeg, captured_ms) {
    const number = (sequence += 1);
    this.socket?.send(frameMessage(number, captured_ms, jpeg));
    // One lost answer must not hold its place for ever.
    this.underWay.set(number, setTimeout(() => this.free(number, true), TIMEOUT_MS));
    return number;
  }

  /** @param {{type: string, seq?: number, detail?: string} & FrameResult} message */
  receive(message) {
    const { type, seq } = message;
    if (type === "ready") {
      this.isReady = true;
      this.retry_ms = FIRST_RETRY_MS;
      this.events.ready();
    } else if (type === "result" && seq !== undefined) {
      this.free(seq, false);
      this.events.result(seq, message);
    } else {
      if (seq !== undefined) this.free(seq, true);
      if (message.detail) this.events.problem(message.detail);
    }
  }

  /**
   * @param {number} sequence
   * @param {boolean} isLost
   */
  free(sequence, isLost) {
    clearTimeout(this.underWay.get(sequence));
    if (this.underWay.delete(sequence) && isLost) this.events.lost(sequence);
  }

  /** @param {number} code */
  lose(code) {
    this.isReady = false;
    for (const sequence of [...this.underWay.keys()]) this.free(sequence, true);
    if (this.isClosed) return;
    if (code === SIGNED_OUT) {
      this.isClosed = true;
      this.events.ended();
      return;
    }
    this.events.broken();
    setTimeout(() => this.isClosed || this.connect(), this.retry_ms);
    this.retry_ms = Math.min(LAST_RETRY_MS, this.retry_ms * 2);
  }

  close() {
    this.isClosed = true;
    this.socket?.close();
  }
}
