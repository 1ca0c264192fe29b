"""Classification for the API and the commands: decode, predict, store."""

import logging
import time
from dataclasses import replace

import numpy as np
from django.conf import settings
from PIL import Image

from classify.models import ClassifiedImage
from ml_core import engine
from ml_core.model_pool import LoadedModel
from ml_core.pictures.images import thumbnail_jpeg
from ml_core.results import Classification
from web.rest.picture_uploads import decode_upload, picture_in_memory
from web.storage.media import store_picture
from web.storage.owners import Owner

logger = logging.getLogger(__name__)


def classify_file(data: bytes, *, model: str | LoadedModel, queue_key: str) -> Classification:
    """Decode and classify a picture file.

    ``model`` is as in ``engine.classify``; the queue takes turns between keys.
    Raises a ``VisionError``.
    """
    with picture_in_memory(queue_key):
        return _classify(data, model, queue_key)[1]


def classify_to_store(
    data: bytes, *, model: str | LoadedModel, queue_key: str
) -> tuple[bytes, Classification]:
    """Like ``classify_file``, with a JPEG thumbnail, for a picture that will be stored."""
    with picture_in_memory(queue_key):
        image, found = _classify(data, model, queue_key)
        return thumbnail_jpeg(Image.fromarray(image)), found


def _classify(
    data: bytes, model: str | LoadedModel, queue_key: str
) -> tuple[np.ndarray, Classification]:
    picture, decode_ms = decode_upload(data)
    found = engine.classify(picture.image, model=model, queue_key=queue_key)
    timing_ms = {"decode": decode_ms, **found.timing_ms}
    return picture.image, replace(found, timing_ms=timing_ms, is_truncated=picture.is_truncated)


def store(data: bytes, thumbnail: bytes, found: Classification, *, owner: Owner) -> ClassifiedImage:
    """Store a picture's file and its thumbnail with its result; they belong to ``owner``.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is stored.
    """
    started = time.perf_counter()
    classified = ClassifiedImage(
        model=found.model,
        class_name=found.class_name,
        score=found.score,
        probabilities=_stored_probabilities(found),
        timing_ms={stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
    )
    store_picture(classified, data, {"file_thumbnail": thumbnail}, owner)
    logger.info(
        "stored %s: received in %.1f ms, predicted %s in %.1f ms",
        classified.file.name,
        found.timing_ms["decode"] + (time.perf_counter() - started) * 1000,
        found.class_name,
        found.timing_ms["inference"],
    )
    return classified


def _stored_probabilities(found: Classification) -> dict[str, float]:
    """The probabilities of the answer by class name, the surest first; see ``LIMITS``."""
    stored: dict[str, float] = {}
    for _, name, score in found.top(settings.LIMITS["probabilities"]):
        # Classes may share a name: ImageNet has two cranes.
        stored.setdefault(name, score)
    return stored
