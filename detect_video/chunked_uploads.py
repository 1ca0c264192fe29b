"""Resumable uploads: receives the file of a video in chunks.

The size of the file on disk is the upload's offset; the row's ``received_bytes`` is a copy for
display. So a process killed at any moment leaves nothing to repair.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from filelock import Timeout

from detect_video.errors import ChecksumMismatch, NotFound
from detect_video.models import State, Video, failure
from detect_video.video.containers import SIGNATURE_BYTES
from detect_video.video.reader import VideoInfo, accepted_format, probe
from ml_core.errors import VisionError
from ml_core.locks import short_lock
from web.errors import UploadBusy, UploadFinished
from web.storage.chunks import append_chunk, arrived_bytes, check_chunk, check_offset
from web.storage.disk import (
    check_room,
    delete_folder,
    delete_marked_folders,
    durable_rename,
    fsync_file,
    fsync_folder,
    make_folder,
    wrap_storage_full,
)
from web.storage.quota import check_quota, quota_lock

# In the video's folder, while a chunk is being written.
LOCK_NAME = "upload.lock"
DELETED = "The video was deleted."


def received_bytes(video: Video) -> int:
    """The offset at which the next chunk has to begin."""
    if video.state != State.UPLOADING:
        return video.received_bytes
    return arrived_bytes(video.part_path) or arrived_bytes(video.source_path)


def receive_chunk(video: Video, chunk: bytes, *, offset: int) -> None:
    """Append ``chunk`` at ``offset`` (bytes); the last chunk completes the upload.

    An empty chunk at the end completes an upload whose last request was interrupted. Raises a
    ``VisionError``; except for an invalid file, the upload is left unchanged.
    """
    check_chunk(len(chunk), offset, file_bytes=video.size_bytes)
    check_room(len(chunk))
    with _locked_upload(video):
        if video.state != State.UPLOADING:
            if video.file and offset == video.size_bytes and not chunk:
                return
            raise UploadFinished(f"This upload has ended; the video is {video.state}.")
        arrived = received_bytes(video)
        check_offset(offset, arrived)
        if not arrived:
            _check_start(video, chunk)
        # After a crash between the rename and the update of the row.
        is_renamed = video.source_path.exists()
        # Unbuffered: close() must not retry a write that failed.
        path = video.source_path if is_renamed else video.part_path
        with wrap_storage_full():
            with path.open("ab", buffering=0) as file:
                _reserve(video, arrived + len(chunk))
                try:
                    if not arrived:
                        fsync_folder(video.folder)
                    append_chunk(file, chunk, arrived)
                except OSError:
                    _update(video, received_bytes=arrived)
                    raise
            if video.received_bytes == video.size_bytes:
                _complete(video, path)


def _check_start(video: Video, chunk: bytes) -> None:
    """Refuse a file that starts as no video does, before all of it is uploaded."""
    if len(chunk) < SIGNATURE_BYTES:
        return
    try:
        accepted_format(io.BytesIO(chunk))
    except VisionError as exc:
        _update(video, address="", **failure(exc))
        raise


@contextmanager
def _locked_upload(video: Video) -> Iterator[None]:
    """Lock the upload and reload ``video``.

    Raises ``UploadBusy`` if another request holds the lock, ``NotFound`` if the video is deleted.
    """
    try:
        with wrap_storage_full():
            make_folder(video.folder)
        with short_lock(video.folder / LOCK_NAME):
            # The previous holder of the lock may have completed the upload.
            video.refresh_from_db()
            yield
    except (NotFound, Video.DoesNotExist) as exc:
        # The row's deletion removed the directory; make_folder() above created it again.
        delete_folder(video.folder)
        raise NotFound(DELETED) from exc
    except Timeout as exc:
        raise UploadBusy("Another request is uploading this video. Try again in a moment.") from exc
    except FileNotFoundError as exc:
        raise NotFound(DELETED) from exc


def _reserve(video: Video, size_bytes: int) -> None:
    """Count the upload as ``size_bytes`` towards the quota. Raises ``QuotaExceeded``."""
    with quota_lock():
        more_bytes = size_bytes - video.received_bytes
        if more_bytes > 0:
            check_quota(video.owner, more_bytes)
        _update(video, received_bytes=size_bytes)


def _complete(video: Video, path: Path) -> None:
    """Verify the complete file, which is closed, and queue the video for detection."""
    with path.open("rb") as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    if video.sha256 not in ("", sha256):
        os.truncate(path, 0)
        _update(video, received_bytes=0)
        raise ChecksumMismatch(
            "The uploaded file is not the announced one: the SHA-256 differs. Upload it again."
        )
    try:
        info, poster = probe(path)
    except VisionError as exc:
        path.unlink(missing_ok=True)
        _update(video, received_bytes=0, address="", **failure(exc))
        raise
    with video.poster_path.open("wb") as poster_file:
        poster_file.write(poster)
        fsync_file(poster_file)
    durable_rename(path, video.source_path)
    name = video.source_path.relative_to(settings.MEDIA_ROOT).as_posix()
    stored = {"file": name, "sha256": sha256, "poster_bytes": len(poster)}
    _update(video, state=State.QUEUED, address="", **stored, **_facts(info))


def _facts(info: VideoInfo) -> dict[str, Any]:
    """The file's metadata as fields of the row."""
    return {
        "width": info.width,
        "height": info.height,
        "rate": f"{info.rate.numerator}/{info.rate.denominator}",
        "duration_s": info.duration_s,
        "frames_hint": info.frames_hint,
    }


def _update(video: Video, **fields: Any) -> None:
    """Update ``fields`` of the row. Raises ``NotFound`` if it has been deleted."""
    fields["updated_at"] = timezone.now()
    if not Video.objects.filter(pk=video.pk).update(**fields):
        raise NotFound(DELETED)
    for name, value in fields.items():
        setattr(video, name, value)


def keep_open(video: Video, *, model: str) -> None:
    """Mark an incomplete upload as active, so that it is not deleted; ``model`` will detect."""
    if video.state == State.UPLOADING:
        _update(video, model=model)


def sweep() -> None:
    """Delete abandoned uploads, visitors' videos whose session has ended, and leftovers."""
    Video.abandoned_uploads().delete()
    Video.objects.of_ended_sessions().delete()
    delete_marked_folders(Video.root())
