/** The classification page: every picture that comes in gets a card and is sent right away. */

import { whenFilesChosen } from "../js/chosen-files.js";
import { element, texts } from "../js/dom.js";
import { remember, remembered } from "../js/memory.js";
import { Card } from "./card.js";

const SIZE_KEY = "classify.size";

const form = element("classify-form", HTMLFormElement);
const fileInput = element("file", HTMLInputElement);
const error = element("error", HTMLElement);
const pictures = element("pictures", HTMLElement);
const list = element("cards", HTMLElement);
const size = element("size", HTMLInputElement);
const networkView = element("network-view", HTMLInputElement);

/** @type {Card[]} */
let cards = [];
let queue = Promise.resolve();

/** @param {File[]} files */
function add(files) {
  error.textContent = "";
  const added = files.map((file) => new Card(file, { retry, remove }));
  cards = [...added, ...cards];
  // The newest are on top, where they are seen.
  list.prepend(...added.map(({ root }) => root));
  arrange();
  added.forEach(send);
}

/**
 * Pictures load at once but are sent one after another.
 * @param {Card} card
 */
function send(card) {
  const loaded = card.load(Number(form.dataset.maxBytes));
  queue = queue.then(async () => {
    if (await loaded) await card.classify(form.action);
  });
}

/** @param {Card} card */
function retry(card) {
  card.wait();
  send(card);
}

/** @param {Card} card */
function remove(card) {
  const place = cards.indexOf(card);
  cards = cards.filter((other) => other !== card);
  card.remove();
  arrange();
  // The keyboard's focus went with the card.
  const next = cards[place] ?? cards.at(-1);
  (next?.root ?? fileInput).focus({ preventScroll: true });
}

/** Show what belongs to a list with pictures, or to one without. */
function arrange() {
  element("invitation", HTMLElement).hidden = cards.length > 0;
  element("shown", HTMLElement).hidden = cards.length === 0;
}

function resize() {
  list.style.setProperty("--size", `${size.value}px`);
  element("size-text", HTMLOutputElement).value = `${size.value} px`;
}

function showNetworkView() {
  list.classList.toggle("with-network-view", networkView.checked);
}

form.addEventListener("submit", (event) => event.preventDefault());
whenFilesChosen(fileInput, pictures, add);

size.addEventListener("input", () => {
  resize();
  remember(SIZE_KEY, size.value);
});
networkView.addEventListener("change", showNetworkView);

element("clear", HTMLButtonElement).addEventListener("click", () => {
  cards.forEach((card) => card.remove());
  cards = [];
  arrange();
  fileInput.focus({ preventScroll: true });
});

const sample = document.getElementById("sample");
sample?.addEventListener("click", async () => {
  const url = sample.dataset.url ?? "";
  try {
    const response = await fetch(url);
    add([new File([await response.blob()], texts(sample).name)]);
  } catch {
    error.textContent = texts(error).unreachable;
  }
});

size.value = remembered(SIZE_KEY) ?? size.value;
resize();
// Browsers keep a form's state over a reload.
showNetworkView();
