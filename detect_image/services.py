"""Detection in pictures for the API, the commands and the admin: decode, detect, draw, store."""

import base64
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from django.utils.translation import get_language
from PIL import Image

from detect_image.models import DetectedImage
from ml_core import engine, model_pool
from ml_core.metrics import measured
from ml_core.model_pool import LoadedModel
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.images import encode_jpeg, thumbnail_jpeg
from ml_core.pictures.resizing import size_in_input
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Detections
from web.rest.picture_uploads import decode_upload, picture_in_memory
from web.rest.serializers import boxes_as_json
from web.storage.media import replace_result, store_picture
from web.storage.owners import Owner


@dataclass(frozen=True)
class DrawOptions:
    """Boxes with a score in [0, 1] of at least ``score_threshold``, and what their labels show.

    ``language`` is that of the class names, such as ``zh-hans``.
    """

    score_threshold: float
    show_names: bool = True
    show_scores: bool = True
    language: str = "en"

    def on(self, image: np.ndarray, found: Detections) -> Image.Image:
        """Draw the boxes on an (H, W, 3) uint8 RGB picture."""
        height, width = image.shape[:2]
        shown = found.filtered(self.score_threshold).scaled_to((width, height))
        return draw_detections(
            image,
            shown.detections,
            show_names=self.show_names,
            show_scores=self.show_scores,
            language=self.language,
        )


@dataclass(frozen=True)
class StoredJpegs:
    """JPEG files stored beside a picture: with its boxes drawn, and thumbnails of both."""

    drawn: bytes
    drawn_thumbnail: bytes
    original_thumbnail: bytes


@dataclass(frozen=True)
class DetectOptions:
    """``model`` is as in ``engine.detect``; both thresholds are in [0, 1].

    ``original_wh`` is the (width, height) that boxes refer to if the picture was shrunk before;
    ``tiles`` is that of ``engine.detect``.
    """

    model: str | LoadedModel
    score_threshold: float
    iou_threshold: float
    original_wh: tuple[int, int] | None = None
    tiles: int = 1


def detect_in_file(
    data: bytes, detect_options: DetectOptions, *, queue_key: str, is_drawn: bool = False
) -> tuple[np.ndarray, Detections]:
    """Decode a picture file and detect the objects in it.

    Returns the upright (H, W, 3) uint8 RGB picture and its detections; unless it ``is_drawn``, the
    picture may be smaller than in the file. The queue takes turns between keys. Raises a
    ``VisionError``.
    """
    with picture_in_memory(queue_key):
        return _detect(data, detect_options, queue_key, is_drawn=is_drawn)


def draw_in_file(
    data: bytes, detect_options: DetectOptions, draw_options: DrawOptions, *, queue_key: str
) -> tuple[bytes, Detections]:
    """Like ``detect_in_file``, but returns the picture with its boxes drawn, as a JPEG file."""
    with picture_in_memory(queue_key):
        _, drawn, found = _draw(data, detect_options, draw_options, queue_key)
        return encode_jpeg(drawn), found


def draw_to_store(
    data: bytes, detect_options: DetectOptions, draw_options: DrawOptions, *, queue_key: str
) -> tuple[StoredJpegs, Detections]:
    """Like ``draw_in_file``, with thumbnails, for a picture that will be stored."""
    with picture_in_memory(queue_key):
        image, drawn, found = _draw(data, detect_options, draw_options, queue_key)
        original_thumbnail = thumbnail_jpeg(Image.fromarray(image))
        return StoredJpegs(encode_jpeg(drawn), thumbnail_jpeg(drawn), original_thumbnail), found


def _draw(
    data: bytes, detect_options: DetectOptions, draw_options: DrawOptions, queue_key: str
) -> tuple[np.ndarray, Image.Image, Detections]:
    image, found = _detect(data, detect_options, queue_key, is_drawn=True)
    started = time.perf_counter()
    drawn = draw_options.on(image, found)
    draw_ms = measured("draw", (time.perf_counter() - started) * 1000)
    return image, drawn, replace(found, timing_ms={**found.timing_ms, "draw": draw_ms})


def _detect(
    data: bytes, detect_options: DetectOptions, queue_key: str, *, is_drawn: bool
) -> tuple[np.ndarray, Detections]:
    model = model_pool.loaded("detection", detect_options.model)
    size = None if is_drawn else partial(size_in_input, model.spec, detect_options.tiles)
    picture, decode_ms = decode_upload(data, size)
    found = engine.detect(
        picture.image,
        model=model,
        score_threshold=detect_options.score_threshold,
        iou_threshold=detect_options.iou_threshold,
        original_wh=detect_options.original_wh or picture.resolution_wh,
        tiles=detect_options.tiles,
        queue_key=queue_key,
    )
    timing_ms = {"decode": decode_ms, **found.timing_ms}
    return picture.image, replace(found, timing_ms=timing_ms, is_truncated=picture.is_truncated)


def store(
    data: bytes,
    jpegs: StoredJpegs,
    found: Detections,
    detect_options: DetectOptions,
    *,
    name: str,
    owner: Owner,
) -> DetectedImage:
    """Store a picture's file with its JPEG files and its result; they belong to ``owner``.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is stored.
    """
    detected = DetectedImage(
        name=name,
        score_threshold=detect_options.score_threshold,
        iou_threshold=detect_options.iou_threshold,
        **_result_fields(found),
    )
    store_picture(detected, data, vars(jpegs), owner)
    return detected


def detect_again(
    detected: DetectedImage, model: str | LoadedModel, *, queue_key: str
) -> DetectedImage:
    """Replace a stored picture's result and drawing by those of a model, as in ``engine.detect``.

    The thresholds stay the same. Raises a ``VisionError``, ``FileNotFoundError`` if the picture's
    file is missing, and ``DetectedImage.DoesNotExist`` if the picture was deleted meanwhile; then
    the stored result is unchanged.
    """
    with detected.original.open("rb") as file:
        data = file.read()
    detect_options = DetectOptions(
        model=model,
        score_threshold=detected.score_threshold,
        iou_threshold=detected.iou_threshold,
        original_wh=(detected.width, detected.height),
    )
    drawn_from = max(detected.score_threshold, DRAWN_SCORE_THRESHOLD)
    draw_options = DrawOptions(drawn_from, language=get_language() or "en")
    jpegs, found = draw_to_store(data, detect_options, draw_options, queue_key=queue_key)
    return replace_result(detected, data, vars(jpegs), _result_fields(found))


def data_url(jpeg: bytes) -> str:
    """A JPEG file as a data URL for ``img.src``."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _result_fields(found: Detections) -> dict[str, object]:
    width, height = found.resolution_wh
    return {
        "width": width,
        "height": height,
        "model": found.model,
        "detections": boxes_as_json(found.detections),
        "timing_ms": {stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
    }
