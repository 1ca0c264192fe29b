"""Refuses a request body that is announced as too large, before it is sent."""

from typing import Any

from web.problems import problem, send_problem


class BodyLimit:
    """ASGI middleware: 413 for a body above ``max_bytes``, 411 for one of unknown length.

    Django counts only what it keeps in memory; a file it writes to disk has no limit. More bytes
    than a request announces never arrive: the server takes them for the next request.
    """

    def __init__(self, application: Any, max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        refusal = None
        if not announced.isdigit() or int(announced) > self.max_bytes:
            detail = f"A request may have at most {self.max_bytes:,} bytes."
            refusal = problem(413, "body_too_large", detail)
        elif b"transfer-encoding" in headers:
            # Django reads only bodies whose length it knows.
            detail = "Expected a Content-Length header; bodies in chunks are not accepted."
            refusal = problem(411, "length_required", detail)
        if refusal:
            await send_problem(scope, send, refusal, {})
        else:
            await self.application(scope, receive, send)
