"""Receives a video's file in chunks, so that an upload that broke off goes on where it stopped.

How much has arrived is what lies on the disk: a process killed at any moment leaves nothing to
be repaired, and the row only repeats the number for whoever looks.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from detect_video.errors import (
    ChecksumMismatch,
    ChunkTooLarge,
    NotFound,
    UploadBusy,
    UploadFinished,
    WrongOffset,
)
from detect_video.models import State, Video
from detect_video.video.reader import VideoInfo, probe
from ml_core.errors import VisionError
from web.keeping.quota import check_quota, quota_lock
from web.keeping.storage import (
    check_room,
    durable_rename,
    fsync_file,
    fsync_folder,
    make_folder,
    wrap_storage_full,
)

DELETED = "The video was deleted."


def received_bytes(video: Video) -> int:
    """Where the next chunk has to begin."""
    if video.state != State.UPLOADING:
        return video.received_bytes
    return _size_bytes(video.part_path) or _size_bytes(video.source_path)


def receive_chunk(video: Video, chunk: bytes, *, offset: int) -> None:
    """Add ``chunk`` at ``offset`` (bytes) to the upload; the last one completes the video.

    An empty chunk at the end completes an upload whose last request was cut off.
    Raises the ``VisionError`` that fits; every one but those of a bad file leaves the upload
    as it was.
    """
    _check_chunk(video, len(chunk), offset)
    check_room(len(chunk))
    with _alone(video):
        if video.state != State.UPLOADING:
            if video.file and offset == video.size_bytes and not chunk:
                return
            raise UploadFinished(f"This upload has ended; the video is {video.state}.")
        arrived = received_bytes(video)
        if offset != arrived:
            raise WrongOffset(
                f"Expected a chunk that begins at byte {arrived:,}, received one for "
                f"{offset:,}. Continue at byte {arrived:,}.",
                offset=arrived,
            )
        # Renamed already, when only the row did not hear of it.
        is_renamed = video.source_path.exists()
        # Unbuffered: what could not be written must not be tried again when it is closed.
        path = video.source_path if is_renamed else video.part_path
        with wrap_storage_full(), path.open("ab", buffering=0) as file:
            _reserve(video, arrived + len(chunk))
            try:
                if not arrived:
                    fsync_folder(video.folder)
                _append(file, chunk, arrived)
            except OSError:
                _note(video, received_bytes=arrived)
                raise
            if video.received_bytes == video.size_bytes:
                _complete(video, file)


def _check_chunk(video: Video, length: int, offset: int) -> None:
    most = settings.LIMITS["video_chunk_bytes"]
    if length > most:
        raise ChunkTooLarge(f"A chunk may have at most {most:,} bytes, received {length:,}.")
    if offset + length > video.size_bytes:
        raise ChunkTooLarge(
            f"The file was announced with {video.size_bytes:,} bytes, but this chunk ends at "
            f"byte {offset + length:,}."
        )


@contextmanager
def _alone(video: Video) -> Iterator[None]:
    """Keep all others from this upload meanwhile, with ``video`` read anew.

    Raises ``UploadBusy`` when somebody else is at it, ``NotFound`` when it is deleted.
    """
    try:
        with wrap_storage_full():
            make_folder(video.folder)
        with _locked(video.folder):
            # Whoever was at it before may have completed it.
            video.refresh_from_db()
            yield
    except (NotFound, Video.DoesNotExist) as exc:
        # The folder went with the row; where it came back, it was made anew here.
        shutil.rmtree(video.folder, ignore_errors=True)
        raise NotFound(DELETED) from exc
    except BlockingIOError as exc:
        raise UploadBusy("Another request is uploading this video. Try again in a moment.") from exc
    except FileNotFoundError as exc:
        raise NotFound(DELETED) from exc


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: that of a file in it would go with its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _reserve(video: Video, size_bytes: int) -> None:
    """Let the upload count as ``size_bytes``. Raises ``QuotaExceeded``."""
    with quota_lock():
        more_bytes = size_bytes - video.received_bytes
        if more_bytes > 0:
            check_quota(video.owner, more_bytes)
        _note(video, received_bytes=size_bytes)


def _append(file: IO[bytes], chunk: bytes, arrived: int) -> None:
    """Write all of ``chunk`` to the disk, or leave the file with the ``arrived`` bytes it had."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        fsync_file(file)
    except OSError:
        file.truncate(arrived)
        raise


def _complete(video: Video, file: IO[bytes]) -> None:
    """Check the whole file and queue the video for detection."""
    path = Path(file.name)
    with path.open("rb") as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    if video.sha256 not in ("", sha256):
        file.truncate(0)
        _note(video, received_bytes=0)
        raise ChecksumMismatch(
            "The uploaded file is not the announced one: the SHA-256 differs. Upload it again."
        )
    try:
        info, poster = probe(path)
    except VisionError as exc:
        path.unlink(missing_ok=True)
        failed = {"state": State.FAILED, "error_code": exc.code, "error": exc.detail}
        _note(video, received_bytes=0, address="", **failed)
        raise
    with video.poster_path.open("wb") as poster_file:
        poster_file.write(poster)
        fsync_file(poster_file)
    durable_rename(path, video.source_path)
    name = str(video.source_path.relative_to(settings.MEDIA_ROOT))
    kept = {"file": name, "sha256": sha256, "poster_bytes": len(poster)}
    _note(video, state=State.QUEUED, address="", **kept, **_facts(info))


def _facts(info: VideoInfo) -> dict[str, Any]:
    """What the file says of itself, as the row keeps it."""
    return {
        "width": info.width,
        "height": info.height,
        "rate": f"{info.rate.numerator}/{info.rate.denominator}",
        "duration_s": info.duration_s,
        "frames_hint": info.frames_hint,
    }


def _note(video: Video, **fields: Any) -> None:
    """Write ``fields`` to the row. Raises ``NotFound`` when it was deleted meanwhile."""
    fields["updated_at"] = timezone.now()
    if not Video.objects.filter(pk=video.pk).update(**fields):
        raise NotFound(DELETED)
    for name, value in fields.items():
        setattr(video, name, value)


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def given_up() -> Q:
    """Uploads that broke off long ago, and announcements that no byte has followed."""
    now = timezone.now()
    broken_off = now - timedelta(seconds=settings.LIMITS["upload_seconds"])
    never_begun = now - timedelta(seconds=settings.LIMITS["announcement_seconds"])
    is_over = Q(updated_at__lt=broken_off) | Q(updated_at__lt=never_begun, received_bytes=0)
    return Q(state=State.UPLOADING) & is_over


def keep_open(video: Video) -> None:
    """Note that somebody goes on with an upload."""
    if video.state == State.UPLOADING:
        _note(video)


def sweep() -> None:
    """Delete uploads that were given up, and visitors' videos whose session is over."""
    Video.objects.filter(given_up()).delete()
    Video.objects.of_ended_sessions().delete()
