"""Request ids, in log records and response headers."""

import logging
import re
import uuid
from contextvars import ContextVar
from typing import Any

HEADER = b"x-request-id"
# Ids that are accepted from proxies and clients; others are replaced.
VALID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIds:
    """ASGI middleware: takes the id from ``X-Request-ID`` or creates one."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", [])).get(HEADER, b"")
        value = given if VALID.fullmatch(given) else uuid.uuid4().hex.encode()
        request_id.set(value.decode())

        async def send_with_id(message: dict[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", []), (HEADER, value)]}
            await send(message)

        await self.application(scope, receive, send_with_id)


class RequestIdFilter(logging.Filter):
    """Adds ``request_id`` to log records; "-" outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
