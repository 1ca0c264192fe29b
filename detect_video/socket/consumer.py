"""WebSocket of a video: its state, results as they are stored, and frames on credit."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from detect_video.models import Video
from detect_video.services import find_video
from detect_video.socket.messages import Start, parse_message
from detect_video.socket.streaming import send_frames, send_info
from ml_core.errors import VisionError
from web.addresses import scope_address
from web.errors import SocketIdle, log_vision_error
from web.problem_texts import as_message
from web.socket_limits import Slot, SocketLimiter
from web.storage.disk import as_vision_error
from web.storage.owners import Owner

logger = logging.getLogger(__name__)

# While the user seeks, wait for the position to settle before opening a decoder.
SETTLE_S = 0.1

open_sockets = SocketLimiter("video_sockets", "videos")


class VideoConsumer(AsyncWebsocketConsumer):
    """One client watching one video."""

    slot: Slot | None = None
    video: Video | None = None
    info: asyncio.Task | None = None
    stream: asyncio.Task | None = None

    async def connect(self) -> None:
        self.owner = Owner.of_scope(self.scope)
        self.credit = asyncio.Semaphore(0)
        # Held while frames are sent, until their decoder has exited.
        self.sending = asyncio.Lock()
        self.active_s = time.monotonic()
        address = scope_address(self.scope)
        await self.accept()
        try:
            self.slot = await open_sockets.acquire(self.owner.client_key(address), address)
            video_id = self.scope["url_route"]["kwargs"]["video_id"]
            self.video = await database_sync_to_async(find_video)(self.owner, video_id)
        except Exception as exc:
            # Channels does not call disconnect() after an error here, so the slot would leak.
            await self.fail(exc)
            return
        self.info = self._create_task(send_info, self.video.pk, self.send_json, self.check_idle)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.video is None:
            return
        self.active_s = time.monotonic()
        try:
            message = parse_message(text_data)
        except VisionError as exc:
            await self.refuse(exc)
            return
        if isinstance(message, Start):
            self._start(self.video, message)
        else:
            for _ in range(message.pictures):
                self.credit.release()

    async def disconnect(self, code: int) -> None:
        self._end_tasks()
        try:
            # Release the slot only after the decoder has exited.
            async with self.sending:
                pass
        finally:
            if self.slot:
                open_sockets.release(self.slot)

    async def fail(self, exc: Exception) -> None:
        """Report an error without internal details, and close."""
        refusal = as_vision_error(exc)
        if refusal is None:
            logger.exception("the WebSocket of video %s was interrupted", self.scope["path"])
            refusal = VisionError("Internal server error; see the server log.")
        elif refusal is not exc:
            log_vision_error(refusal, exc)
        await self.refuse(refusal)

    async def refuse(self, exc: VisionError) -> None:
        """Send the error and close."""
        self.video = None
        self._end_tasks()
        await self.send_json({"type": "error", **as_message(exc)})
        await self.close(4000 + exc.status)

    async def send_json(self, message: dict[str, Any]) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        self.active_s = time.monotonic()
        await self.send(text_data=text)

    async def send_bytes(self, data: bytes) -> None:
        self.active_s = time.monotonic()
        await self.send(bytes_data=data)

    def check_idle(self) -> None:
        """Raise ``SocketIdle`` if nothing was sent or received for too long."""
        seconds = settings.LIMITS["video_socket_idle_seconds"]
        if time.monotonic() - self.active_s >= seconds:
            raise SocketIdle(
                f"The connection was idle for {seconds} seconds, so it was closed. Reconnect to "
                f"continue."
            )

    def _start(self, video: Video, wanted: Start) -> None:
        """Start a stream in place of the current one."""
        is_seeking = self.stream is not None and not self.stream.done()
        if self.stream:
            self.stream.cancel()
        self.credit = asyncio.Semaphore(wanted.credit)
        self.stream = self._create_task(self._send, video, wanted, self.credit, is_seeking)

    async def _send(
        self, video: Video, wanted: Start, credit: asyncio.Semaphore, is_seeking: bool
    ) -> None:
        async with self.sending:
            if is_seeking:
                await asyncio.sleep(SETTLE_S)
            await send_frames(video, wanted, credit, self.send_text, self.send_bytes)

    def _create_task(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> asyncio.Task:
        return asyncio.create_task(self._guarded(work, *arguments))

    async def _guarded(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Report errors of a background task, which nobody awaits, to the client."""
        try:
            await work(*arguments)
        except Exception as exc:
            await self.fail(exc)

    def _end_tasks(self) -> None:
        for task in (self.info, self.stream):
            # A task that is reporting its own failure must not cancel itself.
            if task and task is not asyncio.current_task():
                task.cancel()
