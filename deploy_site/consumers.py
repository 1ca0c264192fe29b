"""The WebSocket side of the site as a whole."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


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
