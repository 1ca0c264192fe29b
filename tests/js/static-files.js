/**
 * Resolves imports as the browser does, which sees the `static` folders of all apps as one: `../js/`
 * is the project's `static/js/`. Node runs this module twice: by `--import`, and as the hook itself.
 */

import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

const SHARED = /^\.\.\/js\//;

if (isMainThread) register(import.meta.url);

export function resolve(specifier, context, nextResolve) {
  if (!SHARED.test(specifier)) return nextResolve(specifier, context);
  const path = specifier.replace(SHARED, "../../static/js/");
  return nextResolve(new URL(path, import.meta.url).href, context);
}
