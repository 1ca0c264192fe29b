"""End-to-end detectors: one output (N, 6), already without duplicates.

A row is x_min, y_min, x_max, y_max, score and class: YOLOv10 (arXiv:2405.14458), YOLO26, and
other YOLO exports with their suppression inside.

https://github.com/THU-MIG/yolov10
"""

from collections.abc import Sequence

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders.layout import (
    Layout,
    Outputs,
    Recognised,
    Size,
    box_unit,
    only_output,
    relative_boxes,
)
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates

MAX_ROWS = 1000


def recognise(outputs: Outputs, input_wh: Size, class_count: int | None) -> Recognised | None:
    found = only_output(outputs)
    if not found or found[1].shape[1] > MAX_ROWS or found[1].shape[2] != 6:
        return None
    name, output = found
    return Recognised(
        "YOLO",
        OutputFormat("end-to-end", (name,), box_unit=box_unit(output[..., :4])),
        None,
        Phrase(
            "{rows} rows of 6 columns are corners, score and class, without duplicates",
            rows=output.shape[1],
        ),
    )


def decode(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    rows = outputs[0]
    rows = rows[rows[:, 4] >= score_floor]
    boxes = relative_boxes(rows[:, :4], output, input_wh)
    return Candidates(boxes, rows[:, 4], rows[:, 5].round().astype(int), is_final=True)


LAYOUT = Layout(
    "end-to-end", "(1, N, 6) corners, score, class (YOLOv10, YOLO26)", recognise, decode
)
