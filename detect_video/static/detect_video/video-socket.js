/** The connection on which a video's state, results and frames come; a broken one is renewed. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
// The server ends connections with 4000 and a status of HTTP's.
const TOO_MANY = 4429;
const IDLE = 4408;
// Of somebody who is back at the page.
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "visibilitychange"];

/**
 * @typedef {object} Listener
 * @property {() => object} startMessage what to say first on every connection
 * @property {(message: any) => void} receive a JSON message, or an ArrayBuffer
 * @property {(detail: string) => void} fail the server's words, also on what it waits for; `lost`
 *   without any, empty when all is well again
 */

export class VideoSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  #waitMs = FIRST_WAIT_MS;
  /** Whether the server has no memory for this video's decoder yet. */
  #isWaiting = false;

  /**
   * @param {string} path
   * @param {Listener} listener
   */
  constructor(path, listener) {
    this.url = location.origin.replace(/^http/, "ws") + path;
    this.listener = listener;
    this.#connect();
  }

  /**
   * Send a message, unless there is no connection; the next one begins with `startMessage`.
   * @param {object} message
   */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let refused = "";
    socket.addEventListener("open", () => this.send(this.listener.startMessage()));
    socket.addEventListener("message", ({ data }) => {
      const message = typeof data === "string" ? JSON.parse(data) : data;
      if (message.type === "error") {
        refused = message.detail;
        return;
      }
      if (message.type === "waiting") {
        this.#isWaiting = true;
        this.listener.fail(message.detail);
        return;
      }
      // How the video is, is told meanwhile, too.
      if (this.#isWaiting ? message.type !== "info" : this.#waitMs > FIRST_WAIT_MS) {
        this.#isWaiting = false;
        this.#waitMs = FIRST_WAIT_MS;
        this.listener.fail("");
      }
      this.listener.receive(message);
    });
    socket.addEventListener("close", ({ code }) => {
      this.#isWaiting = false;
      if (code === IDLE) {
        this.#connectOnceBack();
        return;
      }
      this.listener.fail(refused || "lost");
      // Asking again helps against a broken connection, not against a refusal.
      if (code >= 4400 && code < 4500 && code !== TOO_MANY) return;
      setTimeout(() => this.#connect(), this.#waitMs);
      this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
    });
  }

  /** Nothing was to be sent for long: others may have the place until somebody does something. */
  #connectOnceBack() {
    const back = new AbortController();
    const connect = () => {
      back.abort();
      this.#connect();
    };
    for (const sign of SIGNS_OF_LIFE) {
      document.addEventListener(sign, connect, { signal: back.signal });
    }
  }
}
