"""Detection in camera frames."""

import asyncio
import time
from dataclasses import replace

import numpy as np
from django.conf import settings

from ml_core import engine
from ml_core.metrics import measured
from ml_core.pictures.images import ImageLimits, decode_image
from ml_core.results import Detections


async def detect_in_frame(jpeg: bytes, *, model: str, queue_key: str) -> Detections:
    """Decode a frame and detect the objects in it, without blocking the event loop.

    Nothing is stored. The queue takes turns between keys. Raises a ``VisionError``.
    """
    image, decode_ms = await asyncio.to_thread(_decode, jpeg)
    found = await engine.detect_async(image, model=model, queue_key=queue_key)
    return replace(found, timing_ms={"decode": decode_ms, **found.timing_ms})


def _decode(jpeg: bytes) -> tuple[np.ndarray, float]:
    started = time.perf_counter()
    limits = settings.LIMITS
    image = decode_image(
        jpeg, ImageLimits(limits["camera_frame_bytes"], limits["camera_frame_pixels"])
    )
    return image, measured("decode", (time.perf_counter() - started) * 1000)
