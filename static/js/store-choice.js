/** The checkbox that lets the server keep uploaded pictures. */

import { element } from "./dom.js";
import { rememberControls } from "./memory.js";

/**
 * Remember the checkbox's state, which all pages share.
 * @returns {() => "if_possible" | "false"} the current value of a request's `keep` field
 */
export function keepChoice() {
  const checkbox = element("keep", HTMLInputElement);
  rememberControls("pictures", [checkbox]);
  return () => (checkbox.checked ? "if_possible" : "false");
}
