/** The operator's page: polls the site's status and shows it. */

import { sizeText } from "../js/files/size-text.js";

const UPDATE_INTERVAL_MS = 2000;

const page = /** @type {HTMLElement} */ (document.getElementById("operation"));

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Replace the rows of a table's body.
 * @param {string} id
 * @param {(string | number)[][]} rows
 */
function fill(id, rows) {
  element(id).replaceChildren(
    ...rows.map((texts) => {
      const row = document.createElement("tr");
      for (const text of texts) row.insertCell().textContent = String(text);
      return row;
    }),
  );
}

/**
 * The page's translation of a word, if it has one.
 * @param {string} kind
 */
function word(kind) {
  return page.dataset[kind] ?? kind;
}

/** @param {any} status see `operation/status.py` */
function show(status) {
  for (const [name, outcome] of Object.entries(status.checks)) {
    const cell = /** @type {HTMLElement} */ (page.querySelector(`[data-check="${name}"]`));
    cell.textContent = outcome === "ok" ? word("ok") : String(outcome);
    cell.classList.toggle("bad", outcome !== "ok");
  }
  for (const [kind, count] of Object.entries(status.sockets)) {
    /** @type {HTMLElement} */ (page.querySelector(`[data-socket="${kind}"]`)).textContent =
      String(count);
  }
  element("free").textContent = sizeText(status.storage.free);
  fill(
    "streams",
    status.streams.map((/** @type {any} */ each) => [
      word(each.source),
      each.owner,
      each.fps.toFixed(1),
      each.done,
      each.dropped,
    ]),
  );
  element("no-streams").hidden = status.streams.length > 0;
  fill(
    "stages",
    Object.entries(status.stages).map(([stage, times]) => [
      word(stage),
      `${times.median_ms} ms`,
      `${times.p95_ms} ms`,
    ]),
  );
  fill(
    "models",
    status.models.map((/** @type {any} */ each) => [
      each.name,
      word(each.task),
      word(each.state),
      each.queued,
    ]),
  );
  fill(
    "jobs",
    Object.entries(status.jobs).flatMap(([kind, counts]) =>
      Object.entries(counts).map(([state, count]) => [word(kind), word(state), Number(count)]),
    ),
  );
  fill(
    "storage",
    Object.entries(status.storage.used).map(([kind, bytes]) => [kind, sizeText(Number(bytes))]),
  );
}

async function refresh() {
  try {
    const response = await fetch(page.dataset.url ?? "", { redirect: "error" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
    element("stale").hidden = true;
  } catch {
    element("stale").hidden = false;
  }
  setTimeout(refresh, UPDATE_INTERVAL_MS);
}

refresh();
