/** File input: chosen, dropped anywhere on the page, or pasted. */

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} target gets the class `dragging` while files are dragged over the page
 * @param {(files: File[]) => void} use is called with at least one file
 */
export function whenFilesChosen(input, target, use) {
  whenChosenWith(input, use);
  whenFilesDropped(target, use);
}

/**
 * @param {HTMLInputElement} input is emptied whenever files have been chosen
 * @param {(files: File[]) => void} use is called with at least one file
 */
export function whenChosenWith(input, use) {
  const takeChosen = () => {
    if (input.files?.length) use([...input.files]);
    // Without this, choosing the same file again fires no change event.
    input.value = "";
  };
  input.addEventListener("change", takeChosen);
  // On a slow network, files may be chosen before this module runs.
  queueMicrotask(takeChosen);
}

/**
 * @param {HTMLElement} target as above
 * @param {(files: File[]) => void} use is called with at least one file
 */
export function whenFilesDropped(target, use) {
  /** @param {FileList | null | undefined} files */
  const take = (files) => {
    if (files?.length) use([...files]);
  };

  document.addEventListener("paste", (event) => take(event.clipboardData?.files));

  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    target.classList.add("dragging");
  });

  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) target.classList.remove("dragging");
  });

  document.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("dragging");
    take(event.dataTransfer?.files);
  });
}
