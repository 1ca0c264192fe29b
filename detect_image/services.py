"""What the picture stages do, for views and commands alike."""

import time
from dataclasses import replace

import numpy as np
from django.conf import settings

from ml_core import engine
from ml_core.images import ImageLimits, decode_image
from ml_core.results import Detections


def image_limits() -> ImageLimits:
    """What may be uploaded, from ``settings.LIMITS``."""
    return ImageLimits(settings.LIMITS["image_bytes"], settings.LIMITS["image_pixels"])


def detect_in_file(
    data: bytes,
    *,
    model: str,
    score_threshold: float,
    iou_threshold: float,
    client: str,
) -> tuple[np.ndarray, Detections]:
    """Decode a picture file and find the objects in it.

    Returns the upright (H, W, 3) uint8 RGB picture and its detections. ``model`` may be empty
    for the default; the thresholds are in [0, 1]; ``client`` is whom the queue treats as one.
    Raises the ``VisionError`` that fits.
    """
    started = time.perf_counter()
    image = decode_image(data, image_limits())
    decode_ms = (time.perf_counter() - started) * 1000
    found = engine.detect(
        image,
        model=model,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        client=client,
    )
    return image, replace(found, timing_ms={"decode": decode_ms, **found.timing_ms})
