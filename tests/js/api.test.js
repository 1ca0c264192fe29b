import assert from "node:assert/strict";
import { test } from "node:test";

import { csrfToken, problemText } from "../../static/js/api.js";

test("the token is found among other cookies, and is empty without one", () => {
  assert.equal(csrfToken("a=1; csrftoken=abc; b=2"), "abc");
  assert.equal(csrfToken("xcsrftoken=abc"), "");
  assert.equal(csrfToken(""), "");
});

test("a problem is told by its detail", async () => {
  const response = new Response(JSON.stringify({ detail: "The picture is empty." }));
  assert.equal(await problemText(response), "The picture is empty.");
});

test("an answer that is no problem is told by its status", async () => {
  for (const body of ["<html>", "{}", ""]) {
    const response = new Response(body, { status: 502, statusText: "Bad Gateway" });
    assert.equal(await problemText(response), "HTTP 502 Bad Gateway");
  }
});
