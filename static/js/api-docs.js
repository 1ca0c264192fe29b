/** Shows the API's description with forms to try it (Swagger UI, loaded before this). */

import { csrfToken } from "./api.js";

// Swagger UI has a dark mode of its own, which this class turns on.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

const place = /** @type {HTMLElement} */ (document.querySelector("#api-docs"));

/** @type {any} */ (window).SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schemaUrl,
  deepLinking: true,
  // Another site would be told the description to draw a badge.
  validatorUrl: null,
  /** @param {{headers: Record<string, string>}} request */
  requestInterceptor(request) {
    const token = csrfToken(document.cookie);
    if (token) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
