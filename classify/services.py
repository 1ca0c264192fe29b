"""What the classification stages do, for views and commands alike."""

import hashlib
import logging
import time
from dataclasses import replace

from django.core.files.base import ContentFile

from classify.models import ClassifiedImage
from ml_core import engine
from ml_core.images import picture_suffix
from ml_core.owners import Owner, check_reachable
from ml_core.quota import check_quota
from ml_core.results import Classification
from ml_core.storage import check_room
from ml_core.uploads import decode_upload, picture_in_memory

logger = logging.getLogger(__name__)


def classify_file(data: bytes, *, model: str, client: str) -> Classification:
    """Decode a picture file and say which class it belongs to.

    ``model`` may be empty for the default; ``client`` is whom the queue treats as one.
    Raises the ``VisionError`` that fits.
    """
    engine.wait_until_loaded("classification", model)
    with picture_in_memory(client):
        image, decode_ms = decode_upload(data)
        found = engine.classify(image, model=model, client=client)
    return replace(found, timing_ms={"decode": decode_ms, **found.timing_ms})


def classify_upload(data: bytes, *, model: str, client: str, owner: Owner) -> Classification:
    """Classify an uploaded picture and keep it with its result, which belongs to its owner.

    Raises what ``classify_file`` raises, ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``;
    then nothing is kept.
    """
    started = time.perf_counter()
    check_quota(owner, len(data))
    check_room(len(data))
    found = classify_file(data, model=model, client=client)
    classified = ClassifiedImage(
        user=owner.user,
        session_key=owner.session_key,
        sha256=hashlib.sha256(data).hexdigest(),
        model=found.model,
        class_name=found.class_name,
        score=found.score,
        probabilities=dict(found.probabilities),
        timing_ms={stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
        size_bytes=len(data),
    )
    classified.file.save(f"picture.{picture_suffix(data)}", ContentFile(data), save=False)
    try:
        classified.full_clean()
        classified.save()
    except Exception:
        # A file without its row would be nobody's.
        classified.file.delete(save=False)
        raise
    check_reachable(classified)
    logger.info(
        "kept %s: received in %.1f ms, predicted %s in %.1f ms",
        classified.file.name,
        (time.perf_counter() - started) * 1000 - found.timing_ms["inference"],
        found.class_name,
        found.timing_ms["inference"],
    )
    return found
