/**
 * Renews the parts of the page that have changed on the server: the elements with `data-part`.
 * Others stay as they are, with what a person has typed into them.
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
 */
export async function renewParts(library) {
  const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new TypeError(`HTTP ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const parts = partsOf(page);
  const renewed = new Map(parts.map((part) => [part.id, part.outerHTML]));
  if ([...renewed.keys()].join("\n") === [...known.keys()].join("\n")) {
    for (const part of parts) {
      if (renewed.get(part.id) !== known.get(part.id)) {
        replace(/** @type {Element} */ (document.getElementById(part.id)), part);
      }
    }
  } else {
    const there = page.getElementById(library.id);
    if (there) replace(library, there, true);
  }
  known = renewed;
}

/**
 * Put the new element, or only its content, in place of the old one; what was unfolded stays so.
 * @param {Element} old
 * @param {Element} renewed
 * @param {boolean} onlyContent
 */
function replace(old, renewed, onlyContent = false) {
  const open = new Set(
    [...old.querySelectorAll("details[open]")].map((details) => nameOf(details)),
  );
  for (const details of renewed.querySelectorAll("details")) {
    if (open.has(nameOf(details))) details.open = true;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const holder = onlyContent ? old : renewed;
  if (onlyContent) old.replaceChildren(...renewed.childNodes);
  else old.replaceWith(renewed);
  if (focused) focusLike(focused, holder);
}

/**
 * Keep a keyboard's place: at the same control, or at the part if that is gone.
 * @param {Element} former
 * @param {Element} holder
 */
function focusLike(former, holder) {
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
