"""What a video's WebSocket is sent: loops that look for news and wait for a slow client."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings

from detect_video.decoding import VideoFrame, VideoReader
from detect_video.errors import NotFound
from detect_video.models import State, Video
from detect_video.serializers import VideoSerializer
from detect_video.services import kept_frames
from detect_video.socket_messages import Start, pack_picture
from ml_core.errors import InvalidVideo

LOOK_EVERY_S = 0.1
INFO_EVERY_S = 0.5
BATCH_FRAMES = 64
JPEG_SIDE = 960
# A client that is paused for longer gets its reader back when it goes on.
IDLE_S = 20

SendJson = Callable[[dict[str, Any]], Awaitable[None]]
SendBytes = Callable[[bytes], Awaitable[None]]

# Not the event loop's own threads, which readers that wait for a decoder would use up.
_reading = ThreadPoolExecutor(settings.LIMITS["video_sockets"], thread_name_prefix="pictures")
_querying = ThreadPoolExecutor(2, thread_name_prefix="socket-queries")


async def send_info(video_id: uuid.UUID, send: SendJson) -> None:
    """Send the video as the API shows it, now and whenever it has changed; never ends.

    Raises ``NotFound`` when it is deleted.
    """
    sent = None
    while True:
        info = await _query(_info, video_id)
        if info != sent:
            await send({"type": "info", **info})
            sent = info
        await asyncio.sleep(INFO_EVERY_S)


async def send_frames(
    video: Video,
    wanted: Start,
    credit: asyncio.Semaphore,
    send_json: SendJson,
    send_bytes: SendBytes,
) -> None:
    """Send what is ``wanted`` as it is kept, and at the end of a finished video how many there are.

    Pictures are sent one for each ``credit``. Raises ``NotFound`` when the video is deleted,
    ``InvalidVideo`` when its file does not give the frames again that were detected.
    """
    if wanted.mode == "results":
        async for frames in kept_batches(video.pk, first=wanted.first):
            await send_json({"type": "frames", "frames": frames})
    else:
        await _send_pictures(video, wanted.first, credit, send_bytes)
    finished = await _query(_video, video.pk)
    await send_json({"type": "end", "total": finished.frames_detected})


async def _send_pictures(
    video: Video, first: int, credit: asyncio.Semaphore, send: SendBytes
) -> None:
    pictures = Pictures(video.source_path)
    try:
        async for frames in kept_batches(video.pk, first=first):
            for result in frames:
                try:
                    await asyncio.wait_for(credit.acquire(), IDLE_S)
                except TimeoutError:
                    pictures.close()
                    await credit.acquire()
                picture = await pictures.at(result["pts_us"])
                await send(pack_picture(result, picture))
    finally:
        pictures.close()


async def kept_batches(video_id: uuid.UUID, *, first: int) -> AsyncIterator[list[dict[str, Any]]]:
    """The results from frame ``first`` on, in lists, waiting for those that are to come.

    Ends after the last one of a finished video. Raises ``NotFound`` when it is deleted.
    """
    while True:
        state, frames = await _query(_news, video_id, first)
        if frames:
            yield frames
            first = frames[-1]["frame_index"] + 1
        elif state == State.DONE:
            return
        else:
            await asyncio.sleep(LOOK_EVERY_S)


class Pictures:
    """The frames of a video file as JPEG, in rising time, read without blocking the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: VideoReader | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._generation = 0

    async def at(self, pts_us: int) -> VideoFrame:
        """The frame of that time stamp (µs). Raises ``InvalidVideo`` when there is none."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_reading, self._read, pts_us, self._generation)

    def close(self) -> None:
        """End the decoder at once, also while a frame is being waited for."""
        self._generation += 1
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _read(self, pts_us: int, generation: int) -> VideoFrame:
        if self._reader is None:
            reader = VideoReader(self._path, after_pts_us=pts_us - 1, side=JPEG_SIDE, as_jpeg=True)
            self._reader, self._frames = reader, iter(reader)
            if generation != self._generation:
                # Closed while it was being opened.
                reader.close()
        frame = next(self._frames, None)
        if frame is None or frame.pts_us != pts_us:
            raise InvalidVideo("The video's file does not give its frames a second time.")
        return frame


async def _query(function: Callable, *arguments: Any) -> Any:
    query = database_sync_to_async(function, thread_sensitive=False, executor=_querying)
    return await query(*arguments)


def _info(video_id: uuid.UUID) -> dict[str, Any]:
    return VideoSerializer(_video(video_id)).data


def _news(video_id: uuid.UUID, first: int) -> tuple[str, list[dict[str, Any]]]:
    # The state first: what is kept between the two queries must not be missed.
    state = _video(video_id).state
    return state, kept_frames(video_id, first=first, limit=BATCH_FRAMES)


def _video(video_id: uuid.UUID) -> Video:
    video = Video.objects.filter(pk=video_id).first()
    if video is None:
        raise NotFound("The video was deleted.")
    return video
