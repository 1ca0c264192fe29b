"""YOLOv5 and YOLOv7: one output (N, 5 + classes), with objectness.

A row is the box's centre x, y, width and height, the objectness, and the probability of each
class; N is three anchors for each cell of all grids. YOLOX files exported with its decoding inside
have the same rows, one per cell.

https://github.com/ultralytics/yolov5, ``models/yolo.py``; https://github.com/WongKinYiu/yolov7
"""

from collections.abc import Sequence

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders.layout import (
    Layout,
    Outputs,
    Recognised,
    Size,
    best_class,
    box_unit,
    pyramid_strides,
    relative_boxes,
)
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import cxcywh_to_xyxy

ANCHORS = 3


def recognise(outputs: Outputs, input_wh: Size, class_count: int | None) -> Recognised | None:
    for name, output in outputs.items():
        if output.ndim != 3 or output.shape[2] < 6:
            continue
        _, count, columns = output.shape
        strides = pyramid_strides(input_wh, count // ANCHORS)
        if count % ANCHORS or not strides or class_count not in (None, columns - 5):
            continue
        unit = box_unit(output[..., :4])
        return Recognised(
            "YOLO",
            OutputFormat("yolov5", (name,), box_unit=unit),
            columns - 5,
            Phrase(
                "{rows:,} rows are three anchors per cell of the strides {strides}, and "
                "{columns} columns are 4 for the box, 1 for objectness and {classes} classes",
                rows=count,
                strides=", ".join(map(str, strides)),
                columns=columns,
                classes=columns - 5,
            ),
        )
    return None


def decode(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    rows = outputs[0]
    # Few rows contain an object, so only those are decoded.
    rows = rows[rows[:, 4] >= score_floor]
    boxes = relative_boxes(cxcywh_to_xyxy(rows[:, :4]), output, input_wh)
    return best_class(boxes, rows[:, 4:5] * rows[:, 5:], score_floor)


LAYOUT = Layout("yolov5", "(1, N, 5 + classes) with objectness (YOLOv5, YOLOv7)", recognise, decode)
