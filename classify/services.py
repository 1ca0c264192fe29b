"""What the classification stages do, for views and commands alike."""

import hashlib
import logging
import time
from dataclasses import replace

import numpy as np
from django.core.files.base import ContentFile
from django.http import HttpRequest
from PIL import Image

from classify.models import ClassifiedImage
from ml_core import engine
from ml_core.pictures.images import picture_suffix, small_jpeg
from ml_core.results import Classification
from web.keeping.media import files_of_kept_row
from web.keeping.owners import OwnedQuerySet, Owner, discard_if_session_ended
from web.keeping.quota import check_quota, quota_lock
from web.rest.picture_uploads import (
    decode_upload,
    picture_in_memory,
)

logger = logging.getLogger(__name__)


def classify_file(data: bytes, *, model: str, queue_key: str) -> Classification:
    """Decode a picture file and say which class it belongs to.

    ``model`` may be empty for the default; ``queue_key`` is whom the queue treats as one.
    Raises the ``VisionError`` that fits.
    """
    engine.wait_until_loaded("classification", model)
    with picture_in_memory(queue_key):
        return _classify(data, model, queue_key)[1]


def classify_to_keep(data: bytes, *, model: str, queue_key: str) -> tuple[bytes, Classification]:
    """``classify_file``, with a small copy of the picture as a JPEG file."""
    engine.wait_until_loaded("classification", model)
    with picture_in_memory(queue_key):
        image, found = _classify(data, model, queue_key)
        return small_jpeg(Image.fromarray(image)), found


def _classify(data: bytes, model: str, queue_key: str) -> tuple[np.ndarray, Classification]:
    picture, decode_ms = decode_upload(data)
    found = engine.classify(picture.image, model=model, queue_key=queue_key)
    timing_ms = {"decode": decode_ms, **found.timing_ms}
    return picture.image, replace(found, timing_ms=timing_ms, is_truncated=picture.is_truncated)


def keep(data: bytes, small: bytes, found: Classification, *, owner: Owner) -> ClassifiedImage:
    """Keep a picture's file and its small copy with its result; they belong to ``owner``.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is kept.
    """
    started = time.perf_counter()
    classified = ClassifiedImage(
        user=owner.user,
        session_key=owner.session_key,
        sha256=hashlib.sha256(data).hexdigest(),
        model=found.model,
        class_name=found.class_name,
        score=found.score,
        probabilities=dict(found.probabilities),
        timing_ms={stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
        size_bytes=len(data) + len(small),
    )
    with files_of_kept_row(classified):
        classified.file.save(f"picture.{picture_suffix(data)}", ContentFile(data), save=False)
        classified.file_small.save("_", ContentFile(small), save=False)
        classified.full_clean()
        # Others may have kept something since the room was looked at.
        with quota_lock():
            check_quota(owner, len(data))
            classified.save()
    discard_if_session_ended(classified)
    logger.info(
        "kept %s: received in %.1f ms, predicted %s in %.1f ms",
        classified.file.name,
        found.timing_ms["decode"] + (time.perf_counter() - started) * 1000,
        found.class_name,
        found.timing_ms["inference"],
    )
    return classified


def own_pictures(request: HttpRequest) -> OwnedQuerySet:
    """What belongs to who asks, the newest first."""
    return ClassifiedImage.objects.of(Owner.of(request))
