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
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self.max_bytes:
            await self._refuse(send)
            return
        if b"transfer-encoding" in headers:
            # Django reads only bodies whose length it knows.
            detail = "Expected a Content-Length header; bodies in chunks are not accepted."
            await self._answer(send, problem(411, "length_required", detail))
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
        await self._answer(send, problem(413, "body_too_large", detail))

    async def _answer(self, send: Any, refusal: dict[str, Any]) -> None:
        body = json.dumps(refusal).encode()
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            # What is still under way is not read any more.
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": refusal["status"], "headers": headers})
        await send({"type": "http.response.body", "body": body})
