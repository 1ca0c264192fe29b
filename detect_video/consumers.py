"""The WebSocket of a video: its state, its results as they are found, and pictures on credit."""

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from detect_video.models import Video
from detect_video.places import free_place, take_place
from detect_video.services import find_video
from detect_video.socket_messages import Start, parse_message
from detect_video.streaming import send_frames, send_info
from ml_core.errors import VisionError
from ml_core.owners import Owner
from ml_core.problem_texts import told

logger = logging.getLogger(__name__)


class VideoConsumer(AsyncWebsocketConsumer):
    """One client that watches one video."""

    # None of that name: nothing here travels through a channel layer.
    channel_layer_alias = "none"
    video: Video | None = None
    info: asyncio.Task | None = None
    stream: asyncio.Task | None = None

    async def connect(self) -> None:
        self.owner = Owner.of(self.scope["user"], self.scope["session"])
        self.credit = asyncio.Semaphore(0)
        await self.accept()
        try:
            take_place(self.owner)
            video_id = self.scope["url_route"]["kwargs"]["video_id"]
            self.video = await database_sync_to_async(find_video)(self.owner, video_id)
        except VisionError as exc:
            await self.refuse(exc)
            return
        self.info = asyncio.create_task(self._guarded(send_info(self.video.pk, self.send_json)))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.video is None:
            return
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
        free_place(self.owner)

    async def refuse(self, exc: VisionError) -> None:
        """Say what was wrong, and close."""
        self.video = None
        self._end_tasks()
        await self.send_json({"type": "error", **told(exc)})
        await self.close(4000 + exc.status)

    async def send_json(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))

    async def send_bytes(self, data: bytes) -> None:
        await self.send(bytes_data=data)

    def _start(self, video: Video, wanted: Start) -> None:
        """Begin to send, in place of what was being sent."""
        if self.stream:
            self.stream.cancel()
        self.credit = asyncio.Semaphore(wanted.credit)
        frames = send_frames(video, wanted, self.credit, self.send_json, self.send_bytes)
        self.stream = asyncio.create_task(self._guarded(frames))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Tell the client what goes wrong in a task that nobody awaits."""
        try:
            await work
        except VisionError as exc:
            await self.refuse(exc)
        except Exception:
            logger.exception("the WebSocket of video %s broke off", self.scope["path"])
            await self.refuse(VisionError("Something failed here; the server's log says what."))

    def _end_tasks(self) -> None:
        for task in (self.info, self.stream):
            # A task that reports its own failure is not to be cut off while it does.
            if task and task is not asyncio.current_task():
                task.cancel()
