"""The DETR family: class logits (Q, classes) and boxes (Q, 4) of Q queries, without duplicates.

Boxes are centre and size relative to the input. RT-DETR (arXiv:2304.08069), D-FINE
(arXiv:2410.13842), DEIM and RF-DETR score each class by a sigmoid; DETR (arXiv:2005.12872) uses a
softmax whose last class is "no object".

https://github.com/lyuwenyu/RT-DETR; https://github.com/roboflow/rf-detr
"""

from collections.abc import Sequence

import numpy as np

from ml_core.catalog.formats import Activation, OutputFormat
from ml_core.decoders.layout import (
    SPARSE_COCO_CLASSES,
    Layout,
    Outputs,
    Recognised,
    Size,
    activate,
    relative_boxes,
)
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import cxcywh_to_xyxy


def recognise(outputs: Outputs, input_wh: Size, class_count: int | None) -> Recognised | None:
    pair = _logits_and_boxes(outputs)
    if not pair:
        return None
    logits, boxes = pair
    queries, columns = outputs[logits].shape[1:]
    # DETR's softmax has COCO's category ids from 0 to 90 and "no object" after them.
    has_no_object = columns == max(SPARSE_COCO_CLASSES) + 1 or columns - 1 == class_count
    is_sparse_coco = columns - has_no_object in SPARSE_COCO_CLASSES and class_count in (None, 80)
    is_probability = outputs[logits].min() >= 0 and outputs[logits].max() <= 1
    activation: Activation = "softmax" if has_no_object else "sigmoid"
    output = OutputFormat(
        "detr",
        (logits, boxes),
        activation="none" if is_probability else activation,
        box_unit="relative",
        # Id 0 is unused, where the ids are COCO's.
        first_class_id=1 if is_sparse_coco and columns - has_no_object == 91 else 0,
        is_sparse_coco=is_sparse_coco,
    )
    known = 80 if is_sparse_coco else columns - has_no_object
    return Recognised(
        "DETR" if has_no_object or is_sparse_coco else "RT-DETR",
        output,
        known,
        Phrase(
            "{logits} {queries} x {columns} and {boxes} {queries} x 4 are the classes and "
            "boxes of {queries} queries",
            logits=repr(logits),
            boxes=repr(boxes),
            queries=queries,
            columns=columns,
        ),
    )


def _logits_and_boxes(outputs: Outputs) -> tuple[str, str] | None:
    if len(outputs) != 2:
        return None
    (first, a), (second, b) = outputs.items()
    if a.ndim != 3 or b.ndim != 3 or a.shape[1] != b.shape[1]:
        return None
    if b.shape[2] == 4 and not (a.shape[2] == 4 and "box" in first.lower()):
        return first, second
    return (second, first) if a.shape[2] == 4 else None


def decode(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    logits, boxes_cxcywh = outputs
    scores = activate(logits, output)
    if output.activation == "softmax":
        # Exclusive classes, the last one of which is "no object".
        scores = scores[:, :-1]
    queries, class_ids = np.nonzero(scores >= score_floor)
    boxes = relative_boxes(cxcywh_to_xyxy(boxes_cxcywh[queries]), output, input_wh)
    return Candidates(boxes, scores[queries, class_ids], class_ids, is_final=True)


LAYOUT = Layout(
    "detr",
    "(1, Q, classes) and (1, Q, 4) (RT-DETR, D-FINE, DEIM, RF-DETR, DETR)",
    recognise,
    decode,
)
