"""What the picture stages do, for views, commands and the admin alike."""

import base64
import hashlib
import time
from dataclasses import dataclass, replace

import numpy as np
from django.core.files.base import ContentFile
from django.utils.translation import get_language
from PIL import Image

from detect_image.models import DetectedImage
from ml_core import engine
from ml_core.metrics import measured
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.images import encode_jpeg, picture_suffix, small_jpeg
from ml_core.results import Detections
from web.keeping.media import files_of_kept_row
from web.keeping.owners import Owner, discard_if_session_ended
from web.keeping.quota import check_quota, quota_lock
from web.rest.picture_uploads import decode_upload, picture_in_memory
from web.rest.serializers import DetectionSerializer

# In a drawn picture nobody can move a slider.
DRAWN_SCORE_THRESHOLD = 0.25


@dataclass(frozen=True)
class Drawing:
    """How a picture is drawn on: from which score in [0, 1] on, and with what in the labels.

    ``language`` is that of the names, such as ``zh-hans``.
    """

    score_threshold: float
    show_names: bool = True
    show_scores: bool = True
    language: str = "en"

    def on(self, image: np.ndarray, found: Detections) -> Image.Image:
        """The (H, W, 3) uint8 RGB picture with its boxes."""
        height, width = image.shape[:2]
        sure = found.filtered(self.score_threshold).scaled_to((width, height))
        return draw_detections(
            image,
            sure.detections,
            show_names=self.show_names,
            show_scores=self.show_scores,
            language=self.language,
        )


@dataclass(frozen=True)
class KeptJpegs:
    """JPEG files that are kept beside a picture: with its boxes, and small copies for lists."""

    drawn: bytes
    drawn_small: bytes
    original_small: bytes


@dataclass(frozen=True)
class Search:
    """What to look for: ``model`` may be empty for the default, the thresholds are in [0, 1].

    ``original_wh`` is the (width, height) that boxes refer to when the picture is a shrunk copy.
    """

    model: str
    score_threshold: float
    iou_threshold: float
    original_wh: tuple[int, int] | None = None


def detect_in_file(data: bytes, search: Search, *, queue_key: str) -> tuple[np.ndarray, Detections]:
    """Decode a picture file and find the objects in it.

    Returns the upright (H, W, 3) uint8 RGB picture and its detections; ``queue_key`` is whom the
    queue treats as one. Raises the ``VisionError`` that fits.
    """
    engine.wait_until_loaded("detection", search.model)
    with picture_in_memory(queue_key):
        return _detect(data, search, queue_key)


def draw_in_file(
    data: bytes, search: Search, drawing: Drawing, *, queue_key: str
) -> tuple[bytes, Detections]:
    """``detect_in_file``, but returns the picture as a JPEG file with its boxes."""
    engine.wait_until_loaded("detection", search.model)
    with picture_in_memory(queue_key):
        _, drawn, found = _draw(data, search, drawing, queue_key)
        return encode_jpeg(drawn), found


def draw_to_keep(
    data: bytes, search: Search, drawing: Drawing, *, queue_key: str
) -> tuple[KeptJpegs, Detections]:
    """``draw_in_file`` for a picture that is kept, with small copies."""
    engine.wait_until_loaded("detection", search.model)
    with picture_in_memory(queue_key):
        image, drawn, found = _draw(data, search, drawing, queue_key)
        original_small = small_jpeg(Image.fromarray(image))
        return KeptJpegs(encode_jpeg(drawn), small_jpeg(drawn), original_small), found


def _draw(
    data: bytes, search: Search, drawing: Drawing, queue_key: str
) -> tuple[np.ndarray, Image.Image, Detections]:
    image, found = _detect(data, search, queue_key)
    started = time.perf_counter()
    drawn = drawing.on(image, found)
    draw_ms = measured("draw", (time.perf_counter() - started) * 1000)
    return image, drawn, replace(found, timing_ms={**found.timing_ms, "draw": draw_ms})


def _detect(data: bytes, search: Search, queue_key: str) -> tuple[np.ndarray, Detections]:
    picture, decode_ms = decode_upload(data)
    found = engine.detect(
        picture.image,
        model=search.model,
        score_threshold=search.score_threshold,
        iou_threshold=search.iou_threshold,
        original_wh=search.original_wh,
        queue_key=queue_key,
    )
    timing_ms = {"decode": decode_ms, **found.timing_ms}
    return picture.image, replace(found, timing_ms=timing_ms, is_truncated=picture.is_truncated)


def keep(
    data: bytes,
    jpegs: KeptJpegs,
    found: Detections,
    search: Search,
    *,
    name: str,
    owner: Owner,
) -> DetectedImage:
    """Keep a picture's file, what was made of it and its result; they belong to ``owner``.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is kept.
    """
    detected = DetectedImage(
        user=owner.user,
        session_key=owner.session_key,
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        score_threshold=search.score_threshold,
        iou_threshold=search.iou_threshold,
        **_result_fields(found),
    )
    with files_of_kept_row(detected):
        detected.original.save(f"_.{picture_suffix(data)}", ContentFile(data), save=False)
        _set_jpegs(detected, data, jpegs)
        detected.full_clean()
        # Others may have kept something since the room was looked at.
        with quota_lock():
            check_quota(owner, len(data))
            detected.save()
    discard_if_session_ended(detected)
    return detected


def detect_again(detected: DetectedImage) -> None:
    """Detect in a kept picture with today's default model and draw it anew."""
    with detected.original.open("rb") as file:
        data = file.read()
    search = Search(
        model="",
        score_threshold=detected.score_threshold,
        iou_threshold=detected.iou_threshold,
        original_wh=(detected.width, detected.height),
    )
    drawn_from = max(detected.score_threshold, DRAWN_SCORE_THRESHOLD)
    drawing = Drawing(drawn_from, language=get_language() or "en")
    jpegs, found = draw_to_keep(data, search, drawing, queue_key="admin")
    for field, value in _result_fields(found).items():
        setattr(detected, field, value)
    _set_jpegs(detected, data, jpegs)
    detected.full_clean()
    detected.save()


def _set_jpegs(detected: DetectedImage, data: bytes, jpegs: KeptJpegs) -> None:
    """Write the files that were made of the picture's own, whose bytes are ``data``."""
    for name, jpeg in vars(jpegs).items():
        getattr(detected, name).save("_", ContentFile(jpeg), save=False)
    detected.size_bytes = len(data) + sum(map(len, vars(jpegs).values()))


def data_url(jpeg: bytes) -> str:
    """A JPEG file as text that can be put into ``img.src``."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _result_fields(found: Detections) -> dict[str, object]:
    width, height = found.resolution_wh
    return {
        "width": width,
        "height": height,
        "model": found.model,
        "detections": DetectionSerializer(found.detections, many=True).data,
        "timing_ms": {stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
    }
