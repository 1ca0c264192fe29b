/** Code that repeats a request, in several languages. */

/**
 * @typedef {object} Sent
 * @property {string} url
 * @property {string} fileName
 * @property {Record<string, string | number | boolean>} fields
 */

/** @type {Record<string, (sent: Sent) => string>} */
export const SNIPPETS = {
  curl: ({ url, fileName, fields }) => {
    const quoted = fileName.replaceAll(/[\\"]/g, "\\$&");
    const parts = [`image=@"${quoted}"`, ...Object.entries(fields).map((field) => field.join("="))];
    return ["curl", ...parts.map((part) => `-F ${shell(part)}`), shell(url)].join(" \\\n  ");
  },

  Python: ({ url, fileName, fields }) => `import requests

with open(${JSON.stringify(fileName)}, "rb") as picture:
    answer = requests.post(
        ${JSON.stringify(url)},
        files={"image": picture},
        data={${members(fields)}},
    )
answer.raise_for_status()
for found in answer.json()["detections"]:
    print(found["score"], found["class_name"], found["box"])`,

  JavaScript: ({ url, fields }) => `// "file" comes from <input type="file">
const form = new FormData();
form.append("image", file);
for (const [name, value] of Object.entries({${members(fields)}})) {
  form.append(name, value);
}
const answer = await fetch(${JSON.stringify(url)}, { method: "POST", body: form });
const { detections } = await answer.json();`,
};

/** @param {string} text */
function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {Sent["fields"]} fields */
function members(fields) {
  return Object.entries(fields)
    .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(String(value))}`)
    .join(", ");
}
