"""What the picture stages do, for views and commands alike."""

from dataclasses import replace

import numpy as np

from ml_core import engine
from ml_core.results import Detections
from ml_core.uploads import decode_upload, picture_in_memory


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
    with picture_in_memory():
        image, decode_ms = decode_upload(data)
        found = engine.detect(
            image,
            model=model,
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            client=client,
        )
    return image, replace(found, timing_ms={"decode": decode_ms, **found.timing_ms})
