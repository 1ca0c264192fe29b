/** Whether the server keeps the pictures that are sent to it. */

import { element } from "./dom.js";
import { rememberControls } from "./memory.js";

/**
 * Remember the page's checkbox. One answer holds on every page, until it is changed.
 * @returns {() => "if_possible" | "false"} what a request says in `keep`
 */
export function keepChoice() {
  const checkbox = element("keep", HTMLInputElement);
  rememberControls("pictures", [checkbox]);
  return () => (checkbox.checked ? "if_possible" : "false");
}
