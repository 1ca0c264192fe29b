/** A WebSocket whose server is the test. */
export class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  /** All connections of the current test, the newest last. */
  static all = [];

  readyState = 0;
  /** What the page sent on this connection. */
  sent = [];

  /** Replace the browser's class for one test. */
  static install(t) {
    FakeWebSocket.all = [];
    globalThis.WebSocket = FakeWebSocket;
    globalThis.location = { origin: "https://here" };
    t.after(() => {
      delete globalThis.WebSocket;
      delete globalThis.location;
    });
  }

  static get last() {
    return FakeWebSocket.all.at(-1);
  }

  constructor(url) {
    super();
    this.url = url;
    FakeWebSocket.all.push(this);
  }

  send(data) {
    this.sent.push(data);
  }

  close() {
    this.serverCloses(1000);
  }

  serverOpens() {
    this.readyState = FakeWebSocket.OPEN;
    this.dispatchEvent(new Event("open"));
  }

  /** @param {object | ArrayBuffer} message */
  serverSends(message) {
    const data = message instanceof ArrayBuffer ? message : JSON.stringify(message);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** @param {number} code */
  serverCloses(code) {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}
