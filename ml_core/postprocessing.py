"""From what a network found to what is answered. Neither Django nor Keras."""

from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import non_max_suppression
from ml_core.pictures.resizing import Placement, undo_placement
from ml_core.results import Detection, detections_from_arrays


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
    """The boxes to answer, the surest first, in pixels of the original picture.

    ``placement`` is the picture's place in the network's input, ``resolution_wh`` its own (width,
    height); scores and IoU are in [0, 1].
    """
    sure = found.scores >= score_threshold
    boxes, scores, class_ids = found.boxes_rel_xyxy[sure], found.scores[sure], found.class_ids[sure]
    boxes = undo_placement(boxes, placement, resolution_wh)
    kept = non_max_suppression(
        boxes, scores, class_ids, iou_threshold=iou_threshold, max_detections=max_detections
    )
    return detections_from_arrays(boxes[kept], scores[kept], class_ids[kept], labels)
