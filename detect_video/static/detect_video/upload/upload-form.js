/** The form that uploads a video, and the progress of the upload. */

import { failureText } from "../../js/requests/api.js";
import { percent } from "../../js/drawing/boxes.js";
import { whenFilesChosen } from "../../js/files/chosen-files.js";
import { element, texts } from "../../js/dom.js";
import { rememberControls } from "../../js/memory.js";
import { sendVideo } from "./upload.js";

/** @typedef {import("../video.js").Video} Video */

const form = element("upload-form", HTMLFormElement);
const panel = element("upload-progress", HTMLElement);
const status = element("upload-status", HTMLElement);
const bar = element("upload-bar", HTMLProgressElement);
const error = element("upload-error", HTMLElement);
const cancel = element("upload-cancel", HTMLButtonElement);
const model = element("model", HTMLSelectElement);
const sample = element("sample", HTMLButtonElement);

let uploading = new AbortController();

rememberControls("video", [model], "sessionStorage");

/**
 * @param {(video: Video, file: File) => void} uploaded is called when the server has the whole file
 */
export function whenVideoUploaded(uploaded) {
  /** @param {File} file */
  const upload = async (file) => {
    if (form.closest("[hidden]")) return;
    uploading.abort();
    uploading = new AbortController();
    const { signal } = uploading;
    const video = await send(file, signal);
    if (video && !signal.aborted) uploaded(video, file);
  };
  whenFilesChosen(element("file", HTMLInputElement), element("drop", HTMLElement), ([file]) => upload(file));
  sample.disabled = false;
  sample.addEventListener("click", async () => {
    const { url, name } = texts(sample);
    try {
      const response = await fetch(url);
      upload(new File([await response.blob()], name));
    } catch {
      error.textContent = texts(error).unreachable;
    }
  });
  cancel.addEventListener("click", () => {
    uploading.abort();
    panel.hidden = true;
  });
}

/**
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<Video | null>} null if it was refused or cancelled
 */
async function send(file, signal) {
  const { api = "", maxBytes, chunkBytes, sha256Url = "" } = form.dataset;
  const { empty, tooLarge } = texts(error);
  error.textContent = (!file.size && empty) || (file.size > Number(maxBytes) && tooLarge) || "";
  if (error.textContent) return null;
  panel.hidden = false;
  try {
    return await sendVideo(file, {
      api,
      model: model.value,
      chunkBytes: Number(chunkBytes),
      sha256Url,
      signal,
      progress: (step, share) => {
        if (signal.aborted) return;
        const text = texts(status)[step].replace("{name}", () => file.name);
        status.textContent = `${text} ${percent(share)}`;
        bar.value = share;
      },
    });
  } catch (reason) {
    if (signal.aborted) return null;
    error.textContent = failureText(reason, texts(error).unreachable);
    return null;
  } finally {
    if (!signal.aborted) panel.hidden = true;
  }
}
