"""Small objects in tiles, on the 128 labelled photos of the shared data."""

from pathlib import Path

import numpy as np
import pytest

from ml_core import engine
from ml_core.evaluation.accuracy import mean_average_precision
from ml_core.pictures.boxes import box_iou
from ml_core.pictures.labelled_pictures import LabelledPicture, read_image, read_labelled_pictures
from ml_core.pictures.limits import image_limits
from ml_core.results import Detection

SMALL_PIXELS = 32


def found_small(picture: LabelledPicture, found: tuple[Detection, ...]) -> tuple[int, int]:
    """How many of the small labelled objects have a box of their class, and how many there are."""
    sides = picture.boxes_xyxy[:, 2:] - picture.boxes_xyxy[:, :2]
    is_small = sides.prod(axis=1) < SMALL_PIXELS**2
    boxes = np.array([one.box for one in found]).reshape(-1, 4)
    is_hit = box_iou(picture.boxes_xyxy, boxes) >= 0.5
    is_hit &= picture.class_ids[:, None] == np.array([one.class_id for one in found])
    return int((is_hit.any(axis=1) & is_small).sum()), int(is_small.sum())


def test_tiles_double_the_recall_of_small_objects_and_keep_the_precision(
    real_detector: None, shared_dir: Path
) -> None:
    folder = shared_dir / "data" / "coco128"
    pictures = read_labelled_pictures(folder / "images", folder / "labels", 80)
    recalls, precisions = [], []
    for tiles in (1, 2):
        images = (read_image(picture.path, image_limits()) for picture in pictures)
        found = [engine.detect(image, tiles=tiles) for image in images]
        sure = [one.filtered(0.25).detections for one in found]
        hits, objects = np.sum(list(map(found_small, pictures, sure)), axis=0)
        recalls.append(hits / objects)
        all_found = [one.detections for one in found]
        precisions.append(mean_average_precision(pictures, all_found).map_50)

    assert recalls[0] == pytest.approx(0.116, abs=0.01)
    assert recalls[1] >= 2 * recalls[0]
    assert precisions[1] >= precisions[0] - 0.005
