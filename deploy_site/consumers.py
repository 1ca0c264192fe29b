"""The WebSocket side of the site as a whole."""

from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier


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
