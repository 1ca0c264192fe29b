"""Detection without queue or limits, as used by the servers that this project is compared with."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.loading import SCORE_FLOOR, make_decoder
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import resize_to_input
from ml_core.postprocessing import detections_from_candidates


def detect_in_jpeg(
    data: bytes, spec: ModelSpec, run: Callable[[np.ndarray], list[np.ndarray]]
) -> dict:
    """The JSON response to a JPEG; ``run`` maps (1, H, W, 3) uint8 to the raw feature maps."""
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    network_input, placement = resize_to_input(image, spec)
    (found,) = make_decoder(spec)(run(network_input[None]))
    assert isinstance(found, Candidates)
    detections = detections_from_candidates(
        found,
        spec.labels,
        placement=placement,
        resolution_wh=(image.shape[1], image.shape[0]),
        score_threshold=SCORE_FLOOR,
        iou_threshold=0.45,
        max_detections=300,
    )
    return {"detections": [[*d.box, d.class_id, d.score] for d in detections]}
