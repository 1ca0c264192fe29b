"""Limits the size of request bodies, before they are received."""

from typing import Any

from ml_core.errors import VisionError, gettext_noop
from web.errors import BodyTooLarge, LengthRequired
from web.problems import send_problem


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
        error: VisionError | None = None
        if not content_length.isdigit() or int(content_length) > self.max_bytes:
            error = BodyTooLarge(
                gettext_noop("A request may have at most {accepted:,} bytes."),
                accepted=self.max_bytes,
            )
        elif b"transfer-encoding" in headers:
            # Django needs the length of a body to read it.
            error = LengthRequired(
                "Expected a Content-Length header; bodies in chunks are not accepted."
            )
        if error:
            await send_problem(scope, send, error)
        else:
            await self.application(scope, receive, send)
