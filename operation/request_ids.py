"""A name for each request and socket, in every line of the log and in the answer."""

import logging
import re
import uuid
from contextvars import ContextVar
from typing import Any

HEADER = b"x-request-id"
# What a proxy or a client may call a request; anything else gets a name of ours.
VALID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIds:
    """ASGI middleware around everything: takes ``X-Request-ID`` over or makes one."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", [])).get(HEADER, b"")
        name = given if VALID.fullmatch(given) else uuid.uuid4().hex.encode()
        request_id.set(name.decode())

        async def send_with_name(message: dict[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", []), (HEADER, name)]}
            await send(message)

        await self.application(scope, receive, send_with_name)


class RequestIdFilter(logging.Filter):
    """Gives each record the ``request_id`` it belongs to; "-" for what no request began."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
