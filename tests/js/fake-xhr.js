/** An XMLHttpRequest whose server is the test. */
export class FakeXHR extends EventTarget {
  /** All requests of the current test, the newest last. */
  static all = [];

  upload = new EventTarget();
  headers = {};
  status = 0;
  statusText = "";
  responseText = "";
  isAborted = false;

  /** Replace the browser's class for one test. */
  static install(t, cookie = "") {
    FakeXHR.all = [];
    globalThis.XMLHttpRequest = FakeXHR;
    globalThis.document = { cookie };
    t.after(() => {
      delete globalThis.XMLHttpRequest;
      delete globalThis.document;
    });
  }

  static get last() {
    return FakeXHR.all.at(-1);
  }

  constructor() {
    super();
    FakeXHR.all.push(this);
  }

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  send(body) {
    this.body = body;
  }

  abort() {
    this.isAborted = true;
    this.dispatchEvent(new Event("loadend"));
  }

  getAllResponseHeaders() {
    return this.responseHeaders;
  }

  sends(loaded, total) {
    this.upload.dispatchEvent(Object.assign(new Event("progress"), { loaded, total }));
  }

  /** The server's response; without a status, the connection is lost. */
  responds(status = 0, { body = "", headers = {}, statusText = "" } = {}) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const responseText = typeof body === "string" ? body : JSON.stringify(body);
    Object.assign(this, { status, statusText, responseText, responseHeaders: lines.join("") });
    this.dispatchEvent(new Event("loadend"));
  }
}
