"""The sample pictures on which a model is tried."""

from pathlib import Path

import numpy as np
from django.conf import settings

from ml_core.catalog.specs import Task
from ml_core.pictures.labelled_pictures import read_image
from ml_core.pictures.limits import image_limits

FOLDER = settings.BASE_DIR / "static" / "samples"
SAMPLES: dict[Task, Path] = {
    "classification": FOLDER / "car.jpg",
    "detection": FOLDER / "street.jpg",
}


def read_samples(path: Path | None = None) -> dict[Task, np.ndarray]:
    """An (H, W, 3) uint8 RGB picture for each task; the one at ``path`` for both, if given.

    Raises ``LabelError`` if it cannot be read.
    """
    return {task: read_image(path or sample, image_limits()) for task, sample in SAMPLES.items()}
