"""Recordings that browsers made, as AVI files: no browser can write those itself."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from detect_video.api import schema
from detect_video.api.responses import file_response
from detect_video.errors import VideoTooManyBytes
from detect_video.video.rendering import render_video
from ml_core.errors import Busy, InvalidVideo
from web.keeping.storage import check_room
from web.rest.file_views import FileAPIView

_turn = BoundedSemaphore(1)


@schema.avi
class AviView(FileAPIView):
    """A short recording, sent as the multipart field "video", comes back as an AVI file.

    Nothing of it is kept. `/api/limits/` says how long it may be (`recording_seconds`) and how
    large it may become (`recording_bytes`). Longer ones can be sent as videos, which are saved as
    AVI as well.
    """

    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    def post(self, request: Request) -> HttpResponseBase:
        recording = request.FILES.get("video")
        if not isinstance(recording, UploadedFile):
            raise ValidationError({"video": "Expected a video file."})
        if not _turn.acquire(timeout=settings.LIMITS["inference_seconds"]):
            raise Busy("Another recording is being converted. Try again in a moment.")
        try:
            check_room(0)
            # Where there is room, or it was refused; the system's own folder may be memory.
            with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
                source, target = Path(folder, "recording"), Path(folder, "recording.avi")
                with source.open("wb") as file:
                    file.writelines(recording.chunks())
                render_video(source, target, nothing_found, codec="mjpg", on_size=size_check())
                return file_response(target, download_name="camera.avi")
        finally:
            _turn.release()


def nothing_found(pts_us: int) -> tuple[()]:
    """No boxes for the frame at ``pts_us`` (µs). Raises ``InvalidVideo`` beyond the longest."""
    most = settings.LIMITS["recording_seconds"]
    if pts_us > most * 1_000_000:
        raise InvalidVideo(
            f"A recording may be at most {most} seconds long. Upload it as a video instead.",
            code="video_too_long",
        )
    return ()


def size_check() -> Callable[[int], None]:
    """What is to be told every second how many bytes are written, and raises to stop.

    It raises ``VideoTooManyBytes``, ``StorageFull``, and ``InvalidVideo`` when it takes so long
    that the others who wait would be refused for good.
    """
    limits = settings.LIMITS
    deadline = time.monotonic() + limits["recording_work_seconds"]

    def check(size_bytes: int) -> None:
        check_room(0)
        if size_bytes > limits["recording_bytes"]:
            raise VideoTooManyBytes(
                f"As an AVI file this recording has more than {limits['recording_bytes']:,} bytes. "
                "Send a shorter one, or upload it as a video."
            )
        if time.monotonic() > deadline:
            raise InvalidVideo(
                "Converting this recording takes too long. Send a shorter or smaller one.",
                code="decode_timeout",
            )

    return check
