"""Limits the size of request bodies, before they are received."""

from typing import Any

from web.problems import problem, send_problem


class BodyLimit:
    """ASGI middleware: 413 for a body above ``max_bytes``, 411 for one without ``Content-Length``.

    Django limits only the part of a body that it keeps in memory, not uploaded files. The server
    never passes on more bytes than ``Content-Length`` says.
    """

    def __init__(self, application: Any, max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        content_length = headers.get(b"content-length", b"0")
        error = None
        if not content_length.isdigit() or int(content_length) > self.max_bytes:
            detail = f"A request may have at most {self.max_bytes:,} bytes."
            error = problem(413, "body_too_large", detail)
        elif b"transfer-encoding" in headers:
            # Django needs the length of a body to read it.
            detail = "Expected a Content-Length header; bodies in chunks are not accepted."
            error = problem(411, "length_required", detail)
        if error:
            await send_problem(scope, send, error, {})
        else:
            await self.application(scope, receive, send)
