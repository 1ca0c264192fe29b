/**
 * Renews the parts of the page that have changed on the server: the elements with `data-part`.
 * Others stay as they are, and so do forms that a person has changed or that send files.
 */

/** @type {Map<string, string>} the HTML of each part as the server sent it, by id */
let known = new Map();

/** @param {ParentNode} page */
function partsOf(page) {
  return [...page.querySelectorAll("[data-part]")].filter((part) => part instanceof HTMLElement);
}

/** Remember the parts of the page before they are changed. */
export function rememberParts() {
  known = new Map(partsOf(document).map((part) => [part.id, part.outerHTML]));
}

/**
 * Fetch the page again and replace what has changed. Throws what `fetch` throws.
 * @param {HTMLElement} library holds all parts
 * @param {Set<string>} sending addresses of the uploads whose progress this page shows elsewhere
 */
export async function renewParts(library, sending) {
  const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new TypeError(`HTTP ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of partsOf(page)) {
    if (sending.has(part.dataset.uploading ?? "")) part.remove();
  }
  const parts = partsOf(page);
  const renewed = new Map(parts.map((part) => [part.id, part.outerHTML]));
  if ([...renewed.keys()].join("\n") === [...known.keys()].join("\n")) {
    for (const part of parts) {
      const old = document.getElementById(part.id);
      if (old && renewed.get(part.id) !== known.get(part.id)) replace(old, part);
    }
  } else {
    const there = page.getElementById(library.id);
    if (there) rearrange(library, there, renewed);
  }
  known = renewed;
}

/**
 * Give the library the parts of the new one in their order; those that are the same are moved.
 * @param {HTMLElement} library
 * @param {HTMLElement} there
 * @param {Map<string, string>} renewed
 */
function rearrange(library, there, renewed) {
  const focused = library.contains(document.activeElement) ? document.activeElement : null;
  keepOpen(library, there);
  for (const part of partsOf(there)) {
    const old = document.getElementById(part.id);
    if (old && renewed.get(part.id) === known.get(part.id)) part.replaceWith(old);
    else if (old) keepForms(old, part);
  }
  library.replaceChildren(...there.childNodes);
  if (focused) focusLike(focused, library);
}

/**
 * @param {HTMLElement} old
 * @param {HTMLElement} renewed
 */
function replace(old, renewed) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  keepOpen(old, renewed);
  keepForms(old, renewed);
  old.replaceWith(renewed);
  if (focused) focusLike(focused, renewed);
}

/**
 * What was unfolded stays so.
 * @param {HTMLElement} old
 * @param {HTMLElement} renewed
 */
function keepOpen(old, renewed) {
  const open = new Set(
    [...old.querySelectorAll("details[open]")].map((details) => nameOf(details)),
  );
  for (const details of renewed.querySelectorAll("details")) {
    if (open.has(nameOf(details))) details.open = true;
  }
}

/**
 * Forms that are sending files, or were changed, stay with their error in the renewed part.
 * @param {HTMLElement} old
 * @param {HTMLElement} renewed
 */
function keepForms(old, renewed) {
  for (const form of old.querySelectorAll("form")) {
    const next = isInUse(form) && renewed.querySelector(`form.${form.classList[0]}`);
    if (!next) continue;
    next.replaceWith(form);
    const [from, to] = [old, renewed].map((part) => part.querySelector(".problem:not(.job-error)"));
    if (from && to) to.textContent = from.textContent;
  }
}

/** @param {HTMLFormElement} form */
function isInUse(form) {
  return form.querySelector(".upload-progress:not([hidden])") !== null || isChanged(form);
}

/** @param {HTMLFormElement} form */
function isChanged(form) {
  return [...form.elements].some((field) => {
    if (field instanceof HTMLSelectElement) return field.selectedIndex !== sentIndex(field);
    if (field instanceof HTMLTextAreaElement) return field.value !== field.defaultValue;
    if (!(field instanceof HTMLInputElement)) return false;
    if (field.type === "file") return Boolean(field.files?.length);
    return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
  });
}

/**
 * The index of the option that the server selected.
 * @param {HTMLSelectElement} select
 */
function sentIndex(select) {
  return Math.max(
    0,
    [...select.options].findIndex((option) => option.defaultSelected),
  );
}

/**
 * What was saved is no change any more: the form is renewed with its part.
 * @param {HTMLFormElement} form
 */
export function settle(form) {
  for (const field of form.elements) {
    if (field instanceof HTMLSelectElement) {
      for (const option of field.options) option.defaultSelected = option.selected;
    } else if (field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement) {
      field.defaultValue = field.value;
      if (field instanceof HTMLInputElement) field.defaultChecked = field.checked;
    }
  }
}

/**
 * Keep a keyboard's place: at the same control, or at the part if that is gone.
 * @param {Element} former
 * @param {Element} holder
 */
function focusLike(former, holder) {
  if (former.isConnected && former instanceof HTMLElement) {
    former.focus({ preventScroll: true });
    return;
  }
  const part = document.getElementById(former.closest("[data-part]")?.id ?? "") ?? holder;
  const same = [...part.querySelectorAll(former.tagName)].find(
    (element) =>
      element.textContent === former.textContent &&
      element.getAttribute("name") === former.getAttribute("name"),
  );
  const next = same ?? part;
  if (!(next instanceof HTMLElement)) return;
  if (!same) next.tabIndex = -1;
  next.focus({ preventScroll: true });
}

/** @param {Element} details */
function nameOf(details) {
  const part = details.closest("[data-part]");
  return `${part?.id} ${details.querySelector("summary")?.textContent}`;
}
