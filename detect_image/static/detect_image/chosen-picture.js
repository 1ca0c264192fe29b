/** A chosen picture: its row in the queue, its upload and its result. */

import { Problem, failureText, post } from "../js/requests/api.js";
import { delay } from "../js/requests/delay.js";
import { element, part, texts } from "../js/dom.js";
import { showLoading } from "../js/requests/loading.js";
import { dataUrl, openPicture, shrink } from "../js/files/shrink.js";
import { sizeText } from "../js/files/size-text.js";
import { nextId } from "../js/tab-store.js";

/** @typedef {import("../js/requests/api.js").PictureAnswer} PictureAnswer */
/** @typedef {{longestSide: number, quality: number, delay_ms: number, model: string,
 *   store: string, tiles: number}} Settings
 */
/** @typedef {"waiting" | "sending" | "detecting" | "loading" | "done" | "failed"} State */

const template = element("queued", HTMLTemplateElement);

export class ChosenPicture {
  /**
   * Open a file. Throws if the browser cannot show it as a picture.
   * @param {File} file
   * @param {number} [id] of a picture that is restored after a reload
   */
  static async open(file, id = nextId()) {
    return new ChosenPicture(file, await openPicture(file), id);
  }

  /**
   * A file that the browser cannot show as a picture: it has failed, and its row says why.
   * @param {File} file
   */
  static refused(file) {
    const refused = new ChosenPicture(file, new Image(), nextId());
    refused.isRefused = true;
    refused.row.classList.add("refused");
    refused.fail(texts(refused.stateText).unreadable);
    return refused;
  }

  /**
   * @param {File} file
   * @param {HTMLImageElement} image
   * @param {number} id larger than those of older pictures
   */
  constructor(file, image, id) {
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.id = id;
    this.file = file;
    this.image = image;
    this.row = part(copy, "li", HTMLElement);
    this.stateText = part(copy, ".state", HTMLElement);
    this.reason = part(copy, ".reason", HTMLElement);
    this.progress = part(copy, "progress", HTMLProgressElement);
    this.leaving = new AbortController();
    /** @type {PictureAnswer | null} */
    this.answer = null;
    /** @type {import("./snippets.js").Sent["fields"]} */
    this.fields = {};
    this.error = "";
    this.isRefused = false;
    /** Since when the server has been loading the model; only while the state is `loading`. */
    this.loadingSinceMs = 0;
    part(copy, ".name", HTMLElement).textContent = file.name;
    part(copy, "img", HTMLImageElement).src = image.src;
    const remove = part(copy, ".remove", HTMLButtonElement);
    remove.setAttribute("aria-label", `${remove.textContent} (${file.name})`);
    this.setState("waiting");
  }

  /** @param {State} state */
  setState(state) {
    this.state = state;
    this.row.dataset.state = state;
    if (state === "loading") showLoading(this.stateText, this.loadingSinceMs);
    else this.stateText.textContent = texts(this.stateText)[state];
    this.reason.textContent = state === "failed" ? this.error : "";
    this.row.dispatchEvent(new CustomEvent("statechange", { bubbles: true }));
  }

  /**
   * Restore the result after a reload.
   * @param {{answer: PictureAnswer, fields: ChosenPicture["fields"]}} result
   */
  restore({ answer, fields }) {
    this.answer = answer;
    this.fields = fields;
    this.setState("done");
  }

  /** @param {string} error the reason to show */
  fail(error) {
    this.error = error;
    this.setState("failed");
  }

  /** Discard the result, as it was made with other settings. */
  reset() {
    if (this.isRefused) return;
    this.leaving.abort();
    this.leaving = new AbortController();
    this.answer = null;
    this.error = "";
    this.setState("waiting");
  }

  /**
   * The picture as it will be uploaded. Throws `Problem` if it can be shown but not encoded.
   * @param {{longestSide: number, quality: number}} settings
   */
  async shrunk(settings) {
    try {
      return await shrink(this.file, this.image, settings);
    } catch {
      throw new Problem(texts(this.stateText).unreadable);
    }
  }

  /**
   * Shrink, upload and detect. Sets either `answer` or `error`, unless it is aborted.
   * @param {string} url
   * @param {Settings} settings
   * @param {number} maxBytes
   */
  async detect(url, settings, maxBytes) {
    const { signal } = this.leaving;
    this.error = "";
    this.progress.value = 0;
    this.setState("sending");
    try {
      await delay(settings.delay_ms, signal);
      const { blob } = await this.shrunk(settings);
      if (blob.size > maxBytes) {
        throw new Problem(`${texts(this.stateText).tooLarge} (${sizeText(blob.size)})`);
      }
      this.fields = {
        store: settings.store,
        name: this.file.name.slice(0, 255),
        original_width: this.image.naturalWidth,
        original_height: this.image.naturalHeight,
        ...(settings.model && { model: settings.model }),
        ...(settings.tiles > 1 && { tiles: settings.tiles }),
      };
      const body = { image: await dataUrl(blob), ...this.fields };
      const answer = await post(url, body, {
        signal,
        onProgress: (share) => this.showProgress(share),
        onLoading: () => this.wait(),
      });
      if (signal.aborted) return;
      this.answer = answer;
      this.setState("done");
    } catch (reason) {
      if (signal.aborted) return;
      this.fail(failureText(reason, texts(this.stateText).unreachable));
    }
  }

  /** @param {number} share of the upload that is done */
  showProgress(share) {
    if (this.state !== "sending") return;
    this.progress.value = share;
    if (share < 1) return;
    // Uploaded. How long the server takes is unknown.
    this.progress.removeAttribute("value");
    this.setState("detecting");
  }

  /** The server is loading the model; the picture is sent again until that is done. */
  wait() {
    if (this.state === "loading") return;
    this.loadingSinceMs = performance.now();
    this.progress.removeAttribute("value");
    this.setState("loading");
  }

  remove() {
    this.leaving.abort();
    this.row.remove();
    URL.revokeObjectURL(this.image.src);
  }
}
