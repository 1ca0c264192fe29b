/**
 * Resolves imports as the browser does, which sees the `static` folders of all apps as one: `../js/`
 * is the project's `static/js/`. Modules also inherit the query of the module that imports them, so
 * that `import("page.js?1")` loads a page with all of its modules anew. Node runs this module twice:
 * by `--import`, and as the hook itself.
 */

import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

const SHARED = /^(\.\.\/)+js\//;

if (isMainThread) register(import.meta.url);

export function resolve(specifier, context, nextResolve) {
  if (!specifier.startsWith(".") || !context.parentURL?.includes("/static/")) {
    return nextResolve(specifier, context);
  }
  const { search } = new URL(context.parentURL);
  const base = SHARED.test(specifier) ? import.meta.url : context.parentURL;
  const url = new URL(specifier.replace(SHARED, "../../static/js/") + search, base);
  return nextResolve(url.href, context);
}
