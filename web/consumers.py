"""The WebSocket side of the site as a whole."""

import json
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier

from web.keeping.storage import as_vision_error, log_vision_error
from web.problem_texts import as_message


class OriginGuard:
    """ASGI middleware: turns away sockets of other sites, and whose ``Origin`` is no address."""

    def __init__(self, application: Any) -> None:
        self.application = AllowedHostsOriginValidator(application)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        try:
            urlsplit(origin)
        except ValueError:
            # The validator would fail.
            await WebsocketDenier()(scope, receive, send)
        else:
            await self.application(scope, receive, send)


class SocketRefusals:
    """ASGI middleware: what the disk or the database refuses is told, and the socket closed.

    Whose a socket is, for instance, is asked before there is a consumer that could tell.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        sent = set()

        async def noting_send(message: dict[str, Any]) -> None:
            sent.add(message["type"])
            await send(message)

        try:
            await self.application(scope, receive, noting_send)
        except Exception as exc:
            refusal = as_vision_error(exc)
            if refusal is None or "websocket.close" in sent:
                raise
            log_vision_error(refusal, exc)
            if "websocket.accept" not in sent:
                await send({"type": "websocket.accept"})
            error = json.dumps({"type": "error", **as_message(refusal)})
            await send({"type": "websocket.send", "text": error})
            await send({"type": "websocket.close", "code": 4000 + refusal.status})


class UnknownPathConsumer(AsyncJsonWebsocketConsumer):
    """Tells a client that asked for a path nobody serves, instead of failing in the server."""

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
