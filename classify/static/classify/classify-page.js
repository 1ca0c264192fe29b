/** The classification page: each chosen picture gets a card and is uploaded at once. */

import { whenChosenWith, whenFilesChosen } from "../js/files/chosen-files.js";
import { element, texts } from "../js/dom.js";
import { storeChoice } from "../js/files/store-choice.js";
import { remember, rememberControls, remembered } from "../js/memory.js";
import { nextId, TabStore } from "../js/tab-store.js";
import { Card } from "./card.js";

const SIZE_KEY = "classify.size";

const form = element("classify-form", HTMLFormElement);
const fileInput = element("file", HTMLInputElement);
const error = element("error", HTMLElement);
const pictures = element("pictures", HTMLElement);
const list = element("cards", HTMLElement);
const size = element("size", HTMLInputElement);
const networkView = element("network-view", HTMLInputElement);

const storeOnServer = storeChoice();
const store = new TabStore(`${location.pathname} ${texts(form).owner}`);

/** @type {Card[]} */
let cards = [];
let queue = Promise.resolve();

/** @param {File[]} files */
function add(files) {
  error.textContent = "";
  // The newest are on top; files that were chosen together keep their order.
  const ids = files.map(nextId).reverse();
  const added = files.map((file, index) => new Card(ids[index], file, { retry, remove }));
  cards = [...added, ...cards];
  list.prepend(...added.map(({ root }) => root));
  arrange();
  for (const card of added) {
    store.put(card.id, "file", card.file);
    send(card);
  }
}

/** The fields of a request beside the picture. */
function fields() {
  return { model: form.dataset.model ?? "", store: storeOnServer() };
}

/**
 * Load a picture at once, and upload it after those before it.
 * @param {Card} card
 */
function send(card) {
  const loaded = card.load(Number(form.dataset.maxBytes));
  queue = queue.then(async () => {
    const answer = (await loaded) && (await card.classify(form.action, fields()));
    if (answer && cards.includes(card)) store.put(card.id, "answer", answer);
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
  store.remove(card.id);
  arrange();
  // The focused button was removed with the card.
  const next = cards[place] ?? cards.at(-1);
  (next?.root ?? fileInput).focus({ preventScroll: true });
}

/** Show the list, or the invitation while it is empty. */
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
whenChosenWith(element("photo", HTMLInputElement), add);

size.addEventListener("input", () => {
  resize();
  remember(SIZE_KEY, size.value);
});
networkView.addEventListener("change", showNetworkView);

element("clear", HTMLButtonElement).addEventListener("click", () => {
  for (const card of cards) {
    card.remove();
    store.remove(card.id);
  }
  cards = [];
  arrange();
  fileInput.focus({ preventScroll: true });
});

/** @type {HTMLSelectElement | null} null if there is only one classifier */
const model = document.querySelector("#model");
// Its classes and its input are on the page.
model?.addEventListener("change", () => {
  location.search = String(new URLSearchParams({ model: model.value }));
});

/** @type {HTMLButtonElement | null} null if there is no sample picture */
const sample = document.querySelector("#sample");
if (sample) sample.disabled = false;
sample?.addEventListener("click", async () => {
  const url = sample.dataset.url ?? "";
  try {
    const response = await fetch(url);
    add([new File([await response.blob()], texts(sample).name)]);
  } catch {
    error.textContent = texts(error).unreachable;
  }
});

/** Restore the cards and their results after a reload. */
async function restore() {
  for (const [id, { file, answer }] of await store.entries()) {
    const card = new Card(id, file, { retry, remove });
    // Above older cards, below those that were added meanwhile.
    const place = cards.findIndex((other) => other.id < id);
    cards.splice(place < 0 ? cards.length : place, 0, card);
    list.insertBefore(card.root, place < 0 ? null : cards[place + 1].root);
    arrange();
    if (!answer) send(card);
    else if (await card.load(Number(form.dataset.maxBytes))) card.show(answer);
  }
}

size.value = remembered(SIZE_KEY) ?? size.value;
resize();
rememberControls("classify", [networkView], "sessionStorage");
showNetworkView();
restore();
