/** Shows the API documentation with Swagger UI, which the page loads before this module. */

import { csrfToken } from "./requests/api.js";

// This class turns on Swagger UI's own dark mode.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

const place = /** @type {HTMLElement} */ (document.querySelector("#api-docs"));

/** @type {any} */ (window).SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schemaUrl,
  deepLinking: true,
  // The default validator would send the schema's address to another site.
  validatorUrl: null,
  /** @param {{headers: Record<string, string>}} request */
  requestInterceptor(request) {
    const token = csrfToken(document.cookie);
    if (token) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
