/** The values of a form as JSON, by the `data-kind` of its fields. */

/**
 * Empty fields are left out. A name with a dot is a key of a table: `input.size`.
 * @param {Iterable<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>} fields
 * @returns {Record<string, any>}
 */
export function formValues(fields) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const field of fields) {
    const value = valueOf(field);
    if (value === undefined) continue;
    const [key, inner] = field.name.split(".");
    if (inner === undefined) values[key] = value;
    else values[key] = { ...values[key], [inner]: value };
  }
  return values;
}

/** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} field */
function valueOf(field) {
  const text = field.value.trim();
  const { kind } = field.dataset;
  if (kind === "flag") return field instanceof HTMLInputElement && field.checked;
  if (!text) return undefined;
  if (kind === "lines") return text.split(/\s*\n\s*/);
  if (kind === "number") return numberIn(text);
  if (kind === "numbers") return text.split(/[\s,]+/).filter(Boolean).map(numberIn);
  return text;
}

/**
 * What is no number stays a text, which the server refuses with a sentence.
 * @param {string} text
 */
function numberIn(text) {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
