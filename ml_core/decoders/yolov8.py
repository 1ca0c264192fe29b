"""YOLOv8, YOLOv9 and YOLO11: one output (4 + classes, N), without objectness.

A column is the box's centre x, y, width and height, and the probability of each class; N is the
number of cells of all grids. Some exports are transposed, and those of RT-DETR by Ultralytics have
one row for each of their queries instead of one for each cell.

https://docs.ultralytics.com/models/yolov8/; ``ultralytics/nn/modules/head.py``
"""

from collections.abc import Sequence

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders.layout import (
    COCO_CLASSES,
    Layout,
    Outputs,
    Recognised,
    Size,
    best_class,
    box_unit,
    only_output,
    pyramid_strides,
    relative_boxes,
)
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import cxcywh_to_xyxy

ROWS, COLUMNS = "yolov8", "yolov8-transposed"


def recognise(outputs: Outputs, input_wh: Size, class_count: int | None) -> Recognised | None:
    found = only_output(outputs)
    if not found:
        return None
    name, output = found
    _, rows, columns = output.shape
    strides = pyramid_strides(input_wh, columns)
    if strides and rows > 4 and class_count in (None, rows - 4):
        unit = box_unit(output[:, :4])
        return Recognised(
            "YOLO",
            OutputFormat(ROWS, (name,), box_unit=unit),
            rows - 4,
            Phrase(
                "{columns:,} columns are the cells of the strides {strides}, and {rows} rows "
                "are 4 for the box and {classes} classes",
                columns=columns,
                strides=", ".join(map(str, strides)),
                rows=rows,
                classes=rows - 4,
            ),
        )
    return None


def recognise_transposed(
    outputs: Outputs, input_wh: Size, class_count: int | None
) -> Recognised | None:
    found = only_output(outputs)
    # Without the number of classes this cannot be told from rows with objectness.
    if not found or found[1].shape[2] != 4 + (class_count or COCO_CLASSES):
        return None
    name, output = found
    unit = box_unit(output[..., :4])
    return Recognised(
        "YOLO",
        OutputFormat(COLUMNS, (name,), box_unit=unit),
        output.shape[2] - 4,
        Phrase(
            "{columns} columns are 4 for the box and {classes} classes",
            columns=output.shape[2],
            classes=output.shape[2] - 4,
        ),
    )


def decode_transposed(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    rows = outputs[0]
    rows = rows[(rows[:, 4:] >= score_floor).any(axis=1)]
    boxes = relative_boxes(cxcywh_to_xyxy(rows[:, :4]), output, input_wh)
    return best_class(boxes, rows[:, 4:], score_floor)


def decode(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    return decode_transposed([outputs[0].T], output, input_wh, score_floor)


LAYOUT = Layout(
    ROWS, "(1, 4 + classes, N) without objectness (YOLOv8, YOLOv9, YOLO11)", recognise, decode
)
TRANSPOSED = Layout(
    COLUMNS, "(1, N, 4 + classes), the same", recognise_transposed, decode_transposed
)
