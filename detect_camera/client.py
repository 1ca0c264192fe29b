"""Client of the camera WebSocket: sends frames, and measures the latency of the answers."""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import av
import cv2
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from detect_camera.frames import FRAMES_IN_FLIGHT, frame_message

SIDE_PIXELS = 640
JPEG_QUALITY = 70
MAX_BUFFERED_FRAMES = 300


class CameraError(Exception):
    """The source has no frames, or the server refused the camera; the message says why."""


class FileSource:
    """Replays the first frames of a video or picture file in a loop, at the file's frame rate."""

    def __init__(self, path: Path) -> None:
        self.jpegs: list[bytes] = []
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                self.fps = float(stream.average_rate or 25)
                for frame in container.decode(stream):
                    self.jpegs.append(_jpeg(frame.to_image()))
                    if len(self.jpegs) == MAX_BUFFERED_FRAMES:
                        break
        except (av.FFmpegError, IndexError, OSError) as exc:
            raise CameraError(f"{path} cannot be read as a video: {exc}") from exc
        if not self.jpegs:
            raise CameraError(f"{path} has no frames.")

    async def frame(self, number: int) -> bytes:
        """The frame at position ``number`` of the endless loop."""
        return self.jpegs[number % len(self.jpegs)]


class CameraSource:
    """A local camera, by its device index."""

    fps = 60.0

    def __init__(self, index: int) -> None:
        # Each of OpenCV's backends would print why it has no such camera.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self.device = cv2.VideoCapture(index)
        # Without a device buffer, a read returns the newest frame.
        self.device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if not self.device.isOpened():
            raise CameraError(f"There is no camera {index} here, or it is in use.")

    async def frame(self, number: int) -> bytes:
        """Read the newest frame."""
        is_read, frame_bgr = await asyncio.to_thread(self.device.read)
        if not is_read:
            raise CameraError("The camera delivers no more frames.")
        return _jpeg(Image.fromarray(frame_bgr[:, :, ::-1]))


def open_source(source: str) -> FileSource | CameraSource:
    """Open a file by path, or a camera by device index. Raises ``CameraError``."""
    return CameraSource(int(source)) if source.isdigit() else FileSource(Path(source))


@dataclass
class CameraStats:
    """Measurements of one camera."""

    # From sending a frame to receiving its result.
    latencies_ms: list[float] = field(default_factory=list)
    # Frames without a result, by error code or "dropped".
    lost: Counter[str] = field(default_factory=Counter)
    # Objects in the latest result above the threshold, by class.
    visible: Counter[str] = field(default_factory=Counter)


async def run_camera(
    url: str,
    source: FileSource | CameraSource,
    *,
    seconds: float,
    score_threshold: float,
    on_result: Callable[[CameraStats], None] = lambda stats: None,
    on_loading: Callable[[], None] = lambda: None,
) -> CameraStats:
    """Run one camera for ``seconds``, sending the newest frame whenever one is answered.

    The time begins once the server has loaded its model; ``on_loading`` is called if that takes
    seconds. Raises what ``connect`` raises, a ``CameraError`` when the server refuses the camera,
    and a ``ConnectionClosed`` when the connection is lost; both in an ``ExceptionGroup`` once
    frames are sent.
    """
    stats = CameraStats()
    sent_at: dict[int, float] = {}
    slots = asyncio.Semaphore(FRAMES_IN_FLIGHT)
    origin = urlunsplit(urlsplit(url)._replace(scheme="http", path="", query=""))
    async with connect(url, origin=origin, max_size=2**20, compression=None) as socket:  # type: ignore[arg-type]
        await _wait_until_ready(socket, on_loading)
        receiving = _receive(socket, sent_at, slots, stats, score_threshold, on_result)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(receiving)
                tasks.create_task(_send(socket, source, sent_at, slots))
    return stats


async def _wait_until_ready(socket: ClientConnection, on_loading: Callable[[], None]) -> None:
    is_loading = False
    while (message := json.loads(await socket.recv()))["type"] != "ready":
        if message["type"] == "error":
            raise CameraError(message["detail"])
        if not is_loading:
            on_loading()
        is_loading = True


async def _send(
    socket: ClientConnection,
    source: FileSource | CameraSource,
    sent_at: dict[int, float],
    slots: asyncio.Semaphore,
) -> None:
    started = time.perf_counter()
    number, sequence = -1, 0
    while True:
        await slots.acquire()
        # Skip the frames that are due already, but never send one twice.
        number = max(number + 1, int((time.perf_counter() - started) * source.fps))
        await asyncio.sleep(started + number / source.fps - time.perf_counter())
        jpeg = await source.frame(number)
        sequence += 1
        sent_at[sequence] = time.perf_counter()
        await socket.send(frame_message(sequence, jpeg, time.time() * 1000))


async def _receive(
    socket: ClientConnection,
    sent_at: dict[int, float],
    slots: asyncio.Semaphore,
    stats: CameraStats,
    score_threshold: float,
    on_result: Callable[[CameraStats], None],
) -> None:
    async for message in socket:
        answer = json.loads(message)
        if "seq" not in answer:
            if answer["type"] == "error":
                raise CameraError(answer["detail"])
            continue
        slots.release()
        latency_ms = (time.perf_counter() - sent_at.pop(answer["seq"])) * 1000
        if answer["type"] != "result":
            stats.lost[answer.get("code", answer["type"])] += 1
            continue
        stats.latencies_ms.append(latency_ms)
        stats.visible = Counter(
            found["class_name"]
            for found in answer["detections"]
            if found["score"] >= score_threshold
        )
        on_result(stats)


def socket_url(url: str, model: str) -> str:
    """The URL of the camera WebSocket on the site at ``url`` (http, https, ws or wss)."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = urlencode({"model": model}) if model else ""
    return urlunsplit((scheme, parts.netloc, "/ws/camera/", query, ""))


def _jpeg(picture: Image.Image) -> bytes:
    picture.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    output = io.BytesIO()
    picture.convert("RGB").save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()
