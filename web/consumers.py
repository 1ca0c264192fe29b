"""ASGI middleware of all WebSockets, and the consumer for unknown paths."""

import json
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier

from web.errors import log_vision_error
from web.problem_texts import as_message
from web.storage.disk import as_vision_error


class OriginValidator:
    """ASGI middleware: rejects WebSockets from other sites, or with a malformed ``Origin``."""

    def __init__(self, application: Any) -> None:
        self.application = AllowedHostsOriginValidator(application)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        try:
            urlsplit(origin)
        except ValueError:
            # AllowedHostsOriginValidator would raise this as a server error.
            await WebsocketDenier()(scope, receive, send)
        else:
            await self.application(scope, receive, send)


class SocketErrors:
    """ASGI middleware: sends storage and database errors to the client and closes the socket.

    Errors of the middleware below, such as authentication, happen before any consumer exists.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        sent = set()

        async def recording_send(message: dict[str, Any]) -> None:
            sent.add(message["type"])
            await send(message)

        try:
            await self.application(scope, receive, recording_send)
        except Exception as exc:
            error = as_vision_error(exc)
            if error is None or "websocket.close" in sent:
                raise
            log_vision_error(error, exc)
            if "websocket.accept" not in sent:
                await send({"type": "websocket.accept"})
            text = json.dumps({"type": "error", **as_message(error)})
            await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.close", "code": 4000 + error.status})


class UnknownPathConsumer(AsyncJsonWebsocketConsumer):
    """Answers unknown WebSocket paths with an error; Channels would raise ``ValueError``."""

    async def connect(self) -> None:
        await self.accept()
        error = {
            "type": "error",
            "status": 404,
            "code": "not_found",
            "detail": f"There is no WebSocket at {self.scope['path']}.",
        }
        await self.send_json(error)
        await self.close(4404)
