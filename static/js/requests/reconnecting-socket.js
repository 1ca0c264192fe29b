/** A WebSocket that connects again after the connection was lost. */

import { Backoff } from "./backoff.js";

/**
 * @typedef {object} Handlers none is called after `close()`
 * @property {() => void} [opened]
 * @property {(data: string | ArrayBuffer) => void} received
 * @property {(code: number) => boolean} closed returns whether to connect again
 */

export class ReconnectingSocket {
  /** @type {WebSocket | undefined} */
  #socket;
  #backoff = new Backoff();
  #isClosed = false;

  /**
   * @param {string} path on this site, with its query
   * @param {Handlers} handlers
   */
  constructor(path, handlers) {
    this.url = location.origin.replace(/^http/, "ws") + path;
    this.handlers = handlers;
    this.connect();
  }

  /** Open a connection; needed only after `closed` returned false. */
  connect() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (!this.#isClosed) this.handlers.opened?.();
    });
    socket.addEventListener("message", ({ data }) => {
      if (!this.#isClosed) this.handlers.received(data);
    });
    socket.addEventListener("close", ({ code }) => {
      if (this.#isClosed || !this.handlers.closed(code)) return;
      setTimeout(() => this.#isClosed || this.connect(), this.#backoff.next());
    });
  }

  /**
   * Does nothing while there is no open connection.
   * @param {string | ArrayBuffer} data
   */
  send(data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  /** Whether this connection replaces a lost one and `settle` was not called since. */
  get isRetrying() {
    return this.#backoff.isRetrying;
  }

  /** The server accepted this connection: retry quickly when it is lost. */
  settle() {
    this.#backoff.reset();
  }

  close() {
    this.#isClosed = true;
    this.#socket?.close();
  }
}
