"""Refuses a request body as soon as it is too large, before it is kept anywhere."""

import json
from typing import Any

from deploy_site.problems import CONTENT_TYPE, problem


class BodyTooLarge(Exception):
    """More bytes arrived than a body may have."""


class BodyLimit:
    """ASGI middleware: 413 for a body above ``max_bytes``, announced or not.

    Django counts only what it keeps in memory; a file it writes to disk has no limit.
    """

    def __init__(self, application: Any, max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self.max_bytes:
            await self._refuse(send)
            return
        received = 0

        async def counted_receive() -> dict:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise BodyTooLarge
            return message

        try:
            await self.application(scope, counted_receive, send)
        except BodyTooLarge:
            await self._refuse(send)

    async def _refuse(self, send: Any) -> None:
        detail = f"A request may have at most {self.max_bytes:,} bytes."
        body = json.dumps(problem(413, "body_too_large", detail)).encode()
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            # What is still under way is not read any more.
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
