/** The connection that a video's state, results and frames arrive on. */

import { ReconnectingSocket } from "../../js/requests/reconnecting-socket.js";

// Close codes of the server are 4000 plus an HTTP status.
const TOO_MANY = 4429;
const IDLE = 4408;
// Events that show that the user is back at the page.
const ACTIVITY_EVENTS = ["pointerdown", "keydown", "visibilitychange"];

/**
 * @typedef {object} Listener
 * @property {() => object} startMessage the first message of every connection
 * @property {(message: any) => void} receive a JSON message, or an ArrayBuffer
 * @property {(detail: string) => void} fail receives an error message of the server, or what it
 *   is waiting for; `lost` without either; empty when the connection works again
 */

export class VideoSocket {
  /** @type {ReconnectingSocket} */
  #socket;
  /** Whether the server is waiting for memory for this video's decoder. */
  #isWaiting = false;
  /** The server's error message on this connection. */
  #refusal = "";

  /**
   * @param {string} path
   * @param {Listener} listener
   */
  constructor(path, listener) {
    this.listener = listener;
    this.#socket = new ReconnectingSocket(path, {
      opened: () => this.send(listener.startMessage()),
      received: (data) => this.#receive(typeof data === "string" ? JSON.parse(data) : data),
      closed: (code) => this.#closed(code),
    });
  }

  /**
   * Does nothing while there is no connection: the next one begins with `startMessage`.
   * @param {object} message
   */
  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "error") {
      this.#refusal = message.detail;
      return;
    }
    if (message.type === "waiting") {
      this.#isWaiting = true;
      this.listener.fail(message.detail);
      return;
    }
    // The video's state is also sent while the server waits for memory.
    const isStillWaiting = this.#isWaiting && message.type === "info";
    if ((this.#isWaiting || this.#socket.isRetrying) && !isStillWaiting) {
      this.#isWaiting = false;
      this.#socket.settle();
      this.listener.fail("");
    }
    this.listener.receive(message);
  }

  /** @param {number} code */
  #closed(code) {
    const refusal = this.#refusal;
    this.#refusal = "";
    this.#isWaiting = false;
    if (code === IDLE) {
      this.#connectOnActivity();
      return false;
    }
    this.listener.fail(refusal || "lost");
    const isRefused = code >= 4400 && code < 4500 && code !== TOO_MANY;
    return !isRefused;
  }

  /** The server closed an idle connection: open another one when the user is back. */
  #connectOnActivity() {
    const connected = new AbortController();
    const connect = () => {
      connected.abort();
      this.#socket.connect();
    };
    for (const event of ACTIVITY_EVENTS) {
      document.addEventListener(event, connect, { signal: connected.signal });
    }
  }
}
