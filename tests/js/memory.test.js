import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { remember, rememberControls, remembered } from "../../static/js/memory.js";

/**
 * @param {() => unknown} get
 * @param {string} [name]
 */
const replaceStorage = (get, name = "localStorage") =>
  Object.defineProperty(globalThis, name, { get, configurable: true });

/** @param {Record<string, string>} kept */
function storageWith(kept) {
  const items = new Map(Object.entries(kept));
  return {
    items,
    setItem: (key, value) => items.set(key, value),
    getItem: (key) => items.get(key) ?? null,
  };
}

/** A select element: setting a value that is not an option leaves it empty. */
class FakeSelect extends EventTarget {
  type = "select-one";
  #value;

  constructor(id, options) {
    super();
    this.id = id;
    this.options = options;
    this.#value = options[0];
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = this.options.includes(value) ? value : "";
  }
}

afterEach(() => {
  delete globalThis.localStorage;
  delete globalThis.sessionStorage;
});

test("remembered values are returned, others are null", () => {
  const items = new Map();
  replaceStorage(() => ({
    setItem: (key, value) => items.set(key, value),
    getItem: (key) => items.get(key) ?? null,
  }));
  remember("size", "300");
  assert.equal(remembered("size"), "300");
  assert.equal(remembered("other"), null);
});

test("with blocked storage nothing is remembered and no error is thrown", () => {
  replaceStorage(() => {
    throw new DOMException("blocked", "SecurityError");
  });
  remember("size", "300");
  assert.equal(remembered("size"), null);
});

test("values of this tab are stored separately", () => {
  const [lasting, passing] = [storageWith({}), storageWith({})];
  replaceStorage(() => lasting);
  replaceStorage(() => passing, "sessionStorage");
  remember("place", "7", "sessionStorage");
  assert.equal(remembered("place"), null);
  assert.equal(remembered("place", "sessionStorage"), "7");
});

test("controls have the values of the last visit, and changes are remembered", () => {
  const storage = storageWith({ "camera.mirror": "true", "camera.quality": "0.7" });
  replaceStorage(() => storage);
  const mirror = Object.assign(new EventTarget(), { id: "mirror", type: "checkbox", checked: false });
  const quality = new FakeSelect("quality", ["auto", "0.7"]);
  rememberControls("camera", [mirror, quality]);
  assert.equal(mirror.checked, true);
  assert.equal(quality.value, "0.7");

  mirror.checked = false;
  mirror.dispatchEvent(new Event("change"));
  quality.value = "auto";
  quality.dispatchEvent(new Event("change"));

  assert.deepEqual([...storage.items.values()], ["false", "auto"]);
});

test("the chosen radio button is restored", () => {
  const storage = storageWith({ "server.return": "url" });
  replaceStorage(() => storage, "sessionStorage");
  const [base64, url] = ["base64", "url"].map((value, index) =>
    Object.assign(new EventTarget(), { name: "return", type: "radio", value, checked: !index }),
  );
  rememberControls("server", [base64, url], "sessionStorage");
  // A browser unchecks the others by itself.
  assert.equal(url.checked, true);

  base64.dispatchEvent(new Event("change"));

  assert.equal(storage.items.get("server.return"), "base64");
});

test("a value that a control no longer has is ignored", () => {
  replaceStorage(() => storageWith({ "camera.model": "deleted" }));
  const model = new FakeSelect("model", ["small", "large"]);
  rememberControls("camera", [model]);
  assert.equal(model.value, "small");
});
