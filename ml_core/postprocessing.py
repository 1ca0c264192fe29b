"""Turn the candidates of a network into detections. Needs neither Django nor Keras."""

import numpy as np

from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import non_max_suppression
from ml_core.pictures.resizing import Placement, undo_placement
from ml_core.results import Detection, detections_from_arrays

# Boxes of one class that overlap by more are suppressed.
IOU_THRESHOLD = 0.45
# From which score on boxes are drawn and objects tracked, unless the user says otherwise.
DRAWN_SCORE_THRESHOLD = 0.25


def detections_from_candidates(
    found: Candidates,
    labels: tuple[str, ...],
    *,
    placement: Placement,
    resolution_wh: tuple[int, int],
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> tuple[Detection, ...]:
    """Filter, suppress and map candidates to pixels of the original picture, sorted by score.

    ``placement`` is the picture's placement in the network's input, ``resolution_wh`` its (width,
    height); thresholds are in [0, 1].
    """
    sure = found.scores >= score_threshold
    boxes, scores, class_ids = found.boxes_rel_xyxy[sure], found.scores[sure], found.class_ids[sure]
    boxes = undo_placement(boxes, placement, resolution_wh)
    if found.is_final:
        kept = np.argsort(-scores, kind="stable")[:max_detections]
    else:
        kept = non_max_suppression(
            boxes, scores, class_ids, iou_threshold=iou_threshold, max_detections=max_detections
        )
    return detections_from_arrays(boxes[kept], scores[kept], class_ids[kept], labels)
