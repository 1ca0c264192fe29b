"""Files of a job, which arrive in chunks: those of a model, or labelled pictures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone
from filelock import Timeout

from ml_core.locks import short_lock
from model_library import jobs
from model_library.errors import ModelTooManyBytes
from model_library.models import Kind, ModelJob, State
from web.errors import TooManyUploads, UploadBusy, UploadFinished
from web.storage.chunks import append_chunk, arrived_bytes, check_chunk, check_offset
from web.storage.disk import check_room, delete_folder, wrap_storage_full

MAX_FILES = 10
# A name on every system; the first character also keeps out hidden files, and the last one what
# Windows would leave out.
FILE_NAME = re.compile(
    r"^(?!(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$))"
    r"(?!\.)[^\x00-\x1f\x7f\\/:*?\"<>|]*[^\x00-\x20\x7f\\/:*?\"<>|.]$",
    re.IGNORECASE,
)
# File systems allow 255; lock files have longer names.
MAX_NAME_BYTES = 200


def announce(
    user: User,
    kind: Kind,
    files: list[dict[str, Any]],
    model: str = "",
    answers: dict[str, Any] | None = None,
) -> ModelJob:
    """Create the job for an upload of ``files``, each with ``name`` and ``size_bytes``.

    ``answers`` are what is known about a model to add, as for ``AnswersSerializer``.
    Raises ``ModelTooManyBytes``, ``TooManyUploads`` or ``StorageFull``.
    """
    jobs.sweep()
    total = sum(file["size_bytes"] for file in files)
    most = settings.LIMITS["model_bytes"]
    if total > most:
        raise ModelTooManyBytes(f"The files have {total:,} bytes; at most {most:,} are accepted.")
    open_uploads = ModelJob.objects.filter(user=user, state=State.UPLOADING).count()
    if open_uploads >= settings.LIMITS["uploads_per_owner"]:
        raise TooManyUploads(
            f"You have {open_uploads} incomplete uploads. Cancel one of them first."
        )
    check_room(total, settings.MODEL_DIR)
    job = ModelJob(user=user, kind=kind, files=files, model=model, state=State.UPLOADING)
    job.answers = answers or {}
    jobs.create(job)
    return job


def received_bytes(job: ModelJob, number: int) -> int:
    """How many bytes of the file with this number have arrived."""
    return arrived_bytes(job.paths[number])


def receive_chunk(job: ModelJob, number: int, chunk: bytes, *, offset: int) -> int:
    """Append ``chunk`` to a file at ``offset`` (bytes); returns the new offset.

    Raises a ``VisionError``; then the file is unchanged.
    """
    path = job.paths[number]
    check_chunk(len(chunk), offset, file_bytes=job.files[number]["size_bytes"])
    check_room(len(chunk), settings.MODEL_DIR)
    with wrap_storage_full():
        path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if not ModelJob.objects.filter(pk=job.pk, state=State.UPLOADING).exists():
            # Cancelled meanwhile, or started.
            if not ModelJob.objects.filter(pk=job.pk).exists():
                delete_folder(job.folder)
            raise UploadFinished("This upload has ended.")
        check_offset(offset, arrived_bytes(path))
        with wrap_storage_full(), path.open("ab", buffering=0) as file:
            append_chunk(file, chunk, offset)
    uploading = ModelJob.objects.filter(pk=job.pk, state=State.UPLOADING)
    uploading.update(done=F("done") + len(chunk), updated_at=timezone.now())
    return offset + len(chunk)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other requests from writing to the same file. Raises ``UploadBusy``."""
    try:
        with short_lock(path.with_name(f".{path.name}.lock")):
            yield
    except Timeout as exc:
        raise UploadBusy("Another request is uploading this file. Try again in a moment.") from exc
