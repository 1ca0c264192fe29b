"""Detectors that return finished boxes, scores and classes, each as an output of its own.

- ``boxes-xyxy``: corners x_min, y_min, x_max, y_max. torchvision's detectors (boxes, labels,
  scores; https://docs.pytorch.org/vision/stable/models.html), and the deployment form of RT-DETR,
  D-FINE and DEIM (labels, boxes, scores), whose second input ``orig_target_sizes`` is fixed to the
  input's size when they are converted.
- ``boxes-yxyx``: corners y_min, x_min, y_max, x_max relative to the picture. SSD and all others of
  the TensorFlow Object Detection API (boxes, classes, scores, count), also as TFLite's
  ``TFLite_Detection_PostProcess``;
  https://github.com/tensorflow/models/tree/master/research/object_detection
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders.layout import (
    Layout,
    Outputs,
    Recognised,
    Size,
    box_unit,
    relative_boxes,
)
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates

XYXY, YXYX = "boxes-xyxy", "boxes-yxyx"
TFLITE = "TFLite_Detection_PostProcess"
BOX_NAMES = ("detection_boxes", "boxes", TFLITE)
CLASS_NAMES = ("detection_classes", "labels", "classes", f"{TFLITE}:1")
SCORE_NAMES = ("detection_scores", "scores", f"{TFLITE}:2")


def recognise(
    layout: str, outputs: Outputs, input_wh: Size, class_count: int | None
) -> Recognised | None:
    found = _by_name(outputs) or _by_value(outputs)
    if not found:
        return None
    boxes, classes, scores = found
    counts = [name for name, output in outputs.items() if output.size == 1 and name not in found]
    is_tensorflow = len(counts) == 1
    if is_tensorflow != (layout == YXYX):
        return None
    # TensorFlow's graphs and torchvision count from 1, as 0 is the background; TFLite's counts
    # from 0, and so do RT-DETR's files, whose labels come first.
    order = list(outputs)
    is_tflite = any("TFLite" in name or "StatefulPartitionedCall" in name for name in order)
    from_zero = is_tflite if is_tensorflow else order.index(classes) < order.index(boxes)
    is_sparse_coco = class_count in (None, 80) and not (from_zero and not is_tensorflow)
    family = "SSD" if is_tensorflow else "RT-DETR" if from_zero else "torchvision"
    return Recognised(
        family,
        OutputFormat(
            layout,
            (boxes, classes, scores, *counts),
            box_unit="relative" if is_tensorflow else box_unit(outputs[boxes]),
            first_class_id=0 if from_zero else 1,
            is_sparse_coco=is_sparse_coco,
        ),
        # The outputs do not tell it.
        class_count,
        Phrase(
            "{boxes}, {classes} and {scores} are finished boxes, classes and scores",
            boxes=repr(boxes),
            classes=repr(classes),
            scores=repr(scores),
        ),
    )


def _by_name(outputs: Outputs) -> tuple[str, str, str] | None:
    """The names of boxes, classes and scores, if the file uses the usual ones."""
    found = []
    for known in (BOX_NAMES, CLASS_NAMES, SCORE_NAMES):
        names = [name for name in known if name in outputs]
        if not names:
            return None
        found.append(names[0])
    boxes, classes, scores = found
    shapes = outputs[classes].shape, outputs[scores].shape
    is_consistent = shapes[0] == shapes[1] == outputs[boxes].shape[:-1]
    return (boxes, classes, scores) if is_consistent else None


def _by_value(outputs: Outputs) -> tuple[str, str, str] | None:
    """The same by shapes and values: class numbers are whole, scores between 0 and 1."""
    boxes = [name for name, output in outputs.items() if output.ndim == 3 and output.shape[2] == 4]
    others = [name for name, output in outputs.items() if output.ndim == 2 and output.size > 1]
    if len(boxes) != 1 or len(others) != 2 or len(outputs) > 4:
        return None
    if any(outputs[name].shape != outputs[boxes[0]].shape[:2] for name in others):
        return None
    whole = [name for name in others if np.array_equal(outputs[name], outputs[name].round())]
    if len(whole) != 1:
        return None
    (classes,) = whole
    (scores,) = (name for name in others if name != classes)
    return boxes[0], classes, scores


def decode_xyxy(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    boxes, class_ids, scores = outputs[:3]
    kept = scores >= score_floor
    boxes = relative_boxes(boxes[kept], output, input_wh)
    return Candidates(boxes, scores[kept], class_ids[kept].round().astype(int), is_final=True)


def decode_yxyx(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    boxes, class_ids, scores, *count = outputs
    # Rows from the count on hold whatever was there.
    rows = round(float(count[0].item())) if count else len(scores)
    boxes, class_ids, scores = boxes[:rows, [1, 0, 3, 2]], class_ids[:rows], scores[:rows]
    return decode_xyxy([boxes, class_ids, scores], output, input_wh, score_floor)


LAYOUT_XYXY = Layout(
    XYXY,
    "boxes (1, N, 4), labels (1, N), scores (1, N) (torchvision, RT-DETR for deployment)",
    partial(recognise, XYXY),
    decode_xyxy,
)
LAYOUT_YXYX = Layout(
    YXYX,
    "boxes (1, N, 4), classes (1, N), scores (1, N), count (1) (SSD, TensorFlow Object Detection)",
    partial(recognise, YXYX),
    decode_yxyx,
)
