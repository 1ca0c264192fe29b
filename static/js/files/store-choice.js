/** The checkbox that lets the server store uploaded pictures. */

import { element } from "../dom.js";
import { rememberControls } from "../memory.js";

/**
 * Remember the checkbox's state, which all pages share.
 * @returns {() => "if_possible" | "false"} the current value of a request's `store` field
 */
export function storeChoice() {
  const checkbox = element("store", HTMLInputElement);
  rememberControls("pictures", [checkbox]);
  return () => (checkbox.checked ? "if_possible" : "false");
}
