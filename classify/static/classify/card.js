/** A card of the list: a picture and its class. */

import { failureText, post } from "../js/requests/api.js";
import { context2d } from "../js/drawing/canvas.js";
import { shownName } from "../js/drawing/class-names.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { isReadByServer, shrink } from "../js/files/shrink.js";
import { factsText, isUnsure, ranked, scoreText } from "./classification.js";

/** @typedef {import("./classification.js").Classification} Classification */
/** @typedef {import("./classification.js").Probability} Probability */

const LARGE = { longestSide: 1280, quality: 0.92 };

const template = element("card", HTMLTemplateElement);

export class Card {
  /**
   * Create a card that shows its picture and waits for a result.
   * @param {number} id larger than those of older cards
   * @param {File} file
   * @param {{retry: (card: Card) => void, remove: (card: Card) => void}} actions of the buttons
   */
  constructor(id, file, actions) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.root = part(copy, "li", HTMLElement);
    this.id = id;
    this.file = file;
    /** @type {Blob} the file, or a smaller copy */
    this.upload = file;
    this.leaving = new AbortController();
    this.picture = part(copy, "img", HTMLImageElement);
    this.waiting = part(copy, ".waiting", HTMLElement);
    this.alert = part(copy, "[role=alert]", HTMLElement);
    this.retry = part(copy, ".retry", HTMLButtonElement);

    part(copy, "h3", HTMLElement).textContent = file.name;
    const remove = part(copy, ".remove", HTMLButtonElement);
    for (const button of [this.retry, remove]) {
      button.setAttribute("aria-label", `${button.textContent} (${file.name})`);
    }
    this.retry.addEventListener("click", () => actions.retry(this));
    remove.addEventListener("click", () => actions.remove(this));
    this.picture.alt = file.name;
    this.picture.src = URL.createObjectURL(file);
  }

  /**
   * Prepare the upload. Returns false if the file cannot be uploaded, and shows the reason.
   * @param {number} maxBytes
   */
  async load(maxBytes) {
    const { tooLarge, unreadable } = texts(this.alert);
    try {
      await this.picture.decode();
      this.drawNetworkView();
      this.upload = await this.shrunk(maxBytes);
    } catch {
      part(this.root, ".views", HTMLElement).hidden = true;
      this.fail(unreadable);
      return false;
    }
    if (this.upload.size > maxBytes) {
      this.fail(tooLarge);
      return false;
    }
    return true;
  }

  /**
   * Small pictures are uploaded unchanged: near the network's input size, JPEG artefacts matter.
   * @param {number} maxBytes
   */
  async shrunk(maxBytes) {
    const { naturalWidth, naturalHeight } = this.picture;
    const isSmall = Math.max(naturalWidth, naturalHeight) <= LARGE.longestSide;
    if (isSmall && this.file.size <= maxBytes && (await isReadByServer(this.file))) {
      return this.file;
    }
    return (await shrink(this.file, this.picture, LARGE)).blob;
  }

  /**
   * @param {string} url the API's
   * @param {{model: string, store: string}} fields of the request
   * @returns {Promise<Classification | null>} null after a failure, which the card shows
   */
  async classify(url, fields) {
    const { signal } = this.leaving;
    if (signal.aborted) return null;
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("image", this.upload);
    try {
      const sinceMs = performance.now();
      const onLoading = () => showLoading(this.waiting, sinceMs);
      const answer = await post(url, body, { signal, onLoading });
      this.show(answer);
      return answer;
    } catch (reason) {
      if (signal.aborted) return null;
      this.fail(failureText(reason, texts(this.alert).unreachable));
      this.retry.hidden = false;
      return null;
    }
  }

  /** Show that the card waits for a result again. */
  wait() {
    this.alert.textContent = "";
    this.retry.hidden = true;
    this.waiting.textContent = texts(this.waiting).waiting;
    this.waiting.hidden = false;
    this.root.focus({ preventScroll: true });
  }

  remove() {
    this.leaving.abort();
    this.root.remove();
    URL.revokeObjectURL(this.picture.src);
  }

  /** @param {string} message */
  fail(message) {
    this.waiting.hidden = true;
    this.alert.textContent = message;
  }

  /** @param {Classification} answer */
  show(answer) {
    this.waiting.hidden = true;
    part(this.root, ".class-name", HTMLElement).textContent = shownName(answer.class_name);
    part(this.root, ".score", HTMLElement).textContent = scoreText(answer.score);
    part(this.root, ".unsure", HTMLElement).hidden = !isUnsure(answer);
    part(this.root, ".cut-off", HTMLElement).hidden = !answer.truncated;
    const notStored = part(this.root, ".not-stored", HTMLElement);
    notStored.textContent = answer.not_stored
      ? texts(notStored).reason.replace("{reason}", answer.not_stored.detail)
      : "";
    const image = { width: this.picture.naturalWidth, height: this.picture.naturalHeight };
    part(this.root, ".facts-line", HTMLElement).textContent = factsText({ ...answer, image });
    const rows = ranked(answer.probabilities).map(probabilityRow);
    part(this.root, "ol", HTMLElement).replaceChildren(...rows);
    // Screen readers announce this live region, so show it last.
    part(this.root, ".probabilities", HTMLElement).hidden = false;
    part(this.root, ".verdict", HTMLElement).hidden = false;
  }

  /** Draw the picture as the network sees it: stretched, and on a white background. */
  drawNetworkView() {
    const canvas = part(this.root, "canvas", HTMLCanvasElement);
    const ctx = context2d(canvas);
    ctx.fillStyle = "white";
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(this.picture, 0, 0, canvas.width, canvas.height);
  }
}

/** @param {Probability} probability */
function probabilityRow({ class_name, score }) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  const track = document.createElement("span");
  const bar = document.createElement("span");
  const text = document.createElement("span");
  name.textContent = shownName(class_name);
  track.className = "bar";
  track.ariaHidden = "true";
  bar.style.width = `${score * 100}%`;
  track.append(bar);
  text.textContent = scoreText(score);
  row.append(name, " ", track, text);
  return row;
}
