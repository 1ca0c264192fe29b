/** A minimal browser for a page's modules: elements are created when they are looked up. */

let opened = 0;

/** An element of all types at once. */
export class FakeElement extends EventTarget {
  dataset = {};
  style = { setProperty() {} };
  children = [];
  parts = new Map();
  textContent = "";
  value = "";
  type = "";
  hidden = false;
  disabled = false;
  checked = false;
  clientWidth = 100;
  clientHeight = 50;
  /** What was drawn on a canvas: the names of the calls. */
  drawn = [];
  #classes = new Set();

  classList = {
    add: (name) => this.#classes.add(name),
    remove: (name) => this.#classes.delete(name),
    contains: (name) => this.#classes.has(name),
    toggle: (name, isOn = !this.#classes.has(name)) => {
      this.classList[isOn ? "add" : "remove"](name);
    },
  };

  constructor(tag = "") {
    super();
    this.tag = tag;
  }

  /** The same part for the same selector, also from within another part of a template's copy. */
  querySelector(selector) {
    if (!this.parts.has(selector)) {
      const part = new FakeElement();
      if (this.isCopy) Object.assign(part, { isCopy: true, parts: this.parts });
      this.parts.set(selector, part);
    }
    return this.parts.get(selector);
  }

  querySelectorAll() {
    return [];
  }

  closest(selector) {
    return selector.split(/, ?/).includes(this.tag) ? this : null;
  }

  append(...children) {
    for (const child of children) this.insertBefore(child, null);
  }

  prepend(...children) {
    for (const child of children.reverse()) this.insertBefore(child, this.children[0] ?? null);
  }

  insertBefore(child, next) {
    const index = next ? this.children.indexOf(next) : this.children.length;
    this.children.splice(index, 0, child);
    if (!(child instanceof FakeElement)) return;
    child.holder = this;
    child.remove = () => this.#removeChild(child);
  }

  replaceChildren(...children) {
    for (const child of this.children) {
      if (child instanceof FakeElement) child.holder = null;
    }
    this.children = [];
    this.append(...children);
  }

  remove() {}

  scrollIntoView() {}

  #removeChild(child) {
    this.children = this.children.filter((other) => other !== child);
  }

  get firstElementChild() {
    return this.children.find((child) => child instanceof FakeElement) ?? null;
  }

  get lastElementChild() {
    return this.children.at(-1);
  }

  get options() {
    return this.children;
  }

  get content() {
    return { cloneNode: () => Object.assign(new FakeElement(), { isCopy: true }) };
  }

  get parentElement() {
    return this.holder === undefined ? this.querySelector("parent") : this.holder;
  }

  get valueAsNumber() {
    return Number(this.value);
  }

  setAttribute(name, value) {
    this.dataset[`attribute-${name}`] = value;
    if (name.startsWith("data-")) this.dataset[name.slice(5)] = value;
  }

  toggleAttribute(name, isOn) {
    this[name] = isOn;
  }

  getBoundingClientRect() {
    return { left: 0, top: 0, width: this.clientWidth, height: this.clientHeight };
  }

  setPointerCapture() {}

  removeAttribute() {}

  focus() {
    document.activeElement = this;
  }

  click() {
    if (!this.disabled) this.dispatchEvent(new Event("click"));
  }

  change(values = {}) {
    Object.assign(this, values);
    this.dispatchEvent(new Event("input"));
    this.dispatchEvent(new Event("change"));
  }

  getContext() {
    const named = (name) => (name === "measureText" ? () => ({ width: 8 }) : () => this.drawn.push(name));
    return new Proxy({}, { get: (_, name) => named(name), set: () => true });
  }

  toBlob(use, type) {
    use(new Blob(["picture"], { type }));
  }
}

class FakeDocument extends EventTarget {
  cookie = "";
  hidden = false;
  documentElement = { lang: "en" };
  elements = new Map();
  /** Files that were downloaded: the names in `download`. */
  downloads = [];

  /** Data blocks such as `class-names` are missing unless the test makes them. */
  getElementById(id) {
    if (["class-names", "coco-categories"].includes(id)) return this.elements.get(id) ?? null;
    if (!this.elements.has(id)) this.elements.set(id, new FakeElement());
    return this.elements.get(id);
  }

  createElement(tag) {
    const element = new FakeElement(tag);
    if (tag === "a") element.click = () => this.downloads.push(element.download);
    return element;
  }

  createElementNS(_, tag) {
    return this.createElement(tag);
  }

  querySelector(selector) {
    return this.getElementById(selector.slice(1));
  }

  querySelectorAll() {
    return [];
  }
}

/** @param {Record<string, string>} [kept] */
function fakeStorage(kept = {}) {
  const items = new Map(Object.entries(kept));
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
  };
}

/**
 * A browser for one test. The texts of an element are named by their keys, which are also their values.
 * @param {import("node:test").TestContext} t
 * @param {object} options
 * @param {Record<string, string>} [options.texts] keys by the element's id, with spaces between
 * @param {object} [options.globals] besides those that every page needs
 * @param {Record<string, string>} [options.stored] in `localStorage`
 */
export function fakePage(t, { texts = {}, globals = {}, stored = {} } = {}) {
  const document = new FakeDocument();
  const window = new EventTarget();
  const element = (id) => document.getElementById(id);
  for (const [id, keys] of Object.entries(texts)) {
    for (const key of keys.split(" ")) element(id).dataset[key] = key;
  }
  const types = ["", "Button", "Form", "Input", "Select", "Canvas", "Video", "Anchor", "Output"];
  const fakes = {
    ...Object.fromEntries([...types, "Template", "Image", "Progress", "Details"].map((t) => [`HTML${t}Element`, FakeElement])),
    Element: FakeElement,
    SVGElement: FakeElement,
    Option: class extends FakeElement {
      constructor(text, value) {
        super("option");
        Object.assign(this, { text, value });
      }
    },
    ResizeObserver: class {
      observe() {}
    },
    document,
    window,
    location: { origin: "https://here", pathname: "/here/" },
    addEventListener: window.addEventListener.bind(window),
    devicePixelRatio: 1,
    getComputedStyle: () => ({}),
    localStorage: fakeStorage(stored),
    sessionStorage: fakeStorage(),
    ...globals,
  };
  const before = Object.keys(fakes).map((name) => [
    name,
    Object.getOwnPropertyDescriptor(globalThis, name),
  ]);
  for (const [name, value] of Object.entries(fakes)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  t.after(() => {
    for (const [name, descriptor] of before) {
      delete globalThis[name];
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    }
  });
  return { document, window, element, text: (id) => element(id).textContent };
}

/** Run a page's module, with all that it imports, as if the page was loaded. */
export function load(path) {
  opened += 1;
  return import(`../../${path}?${opened}`);
}

/** Wait for promises that need no other event. */
export function settled() {
  return new Promise(setImmediate);
}
