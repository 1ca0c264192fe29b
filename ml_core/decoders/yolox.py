"""YOLOX: one output (N, 5 + classes) of raw grids, one row per cell (arXiv:2107.08430).

The grids of the strides 8, 16 and 32 follow each other, each row by row. The centre is the raw
x, y plus the cell's place, the size is the exponential of the raw width and height, all in units
of the stride; objectness and class probabilities are already in [0, 1].

https://github.com/Megvii-BaseDetection/YOLOX, ``yolox/utils/demo_utils.py``
"""

from collections.abc import Sequence

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders import yolov5
from ml_core.decoders.layout import (
    Layout,
    Outputs,
    Recognised,
    Size,
    best_class,
    only_output,
    pyramid_strides,
)
from ml_core.errors import Phrase, gettext_noop
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import cxcywh_to_xyxy

# The raw place of a centre in its own cell is about 0 to 1, and none of a trial's is far outside.
# In pixels, the cells of the last column are at the end of the input.
MAX_RAW_SHARE = 0.5


def recognise(outputs: Outputs, input_wh: Size, class_count: int | None) -> Recognised | None:
    found = only_output(outputs)
    if not found or found[1].shape[2] < 6:
        return None
    name, output = found
    _, count, columns = output.shape
    strides = pyramid_strides(input_wh, count)
    if not strides or class_count not in (None, columns - 5):
        return None
    is_raw = output[..., :2].max() < MAX_RAW_SHARE * min(input_wh)
    reason = gettext_noop(
        "{rows:,} rows are the cells of the strides {strides}, {columns} columns are 4 for the "
        "box, 1 for objectness and {classes} classes, and the boxes are in pixels"
    )
    if is_raw:
        reason = gettext_noop(
            "{rows:,} rows are the cells of the strides {strides}, {columns} columns are 4 for "
            "the box, 1 for objectness and {classes} classes, and the boxes are in grid units, to "
            "be decoded"
        )
    return Recognised(
        "YOLOX",
        OutputFormat("yolox" if is_raw else yolov5.LAYOUT.name, (name,)),
        columns - 5,
        Phrase(
            reason,
            rows=count,
            strides=", ".join(map(str, strides)),
            columns=columns,
            classes=columns - 5,
        ),
    )


def decode(
    outputs: Sequence[np.ndarray], output: OutputFormat, input_wh: Size, score_floor: float
) -> Candidates:
    rows = outputs[0]
    strides = pyramid_strides(input_wh, len(rows))
    if not strides:
        raise ValueError(f"Expected one row per cell of {input_wh}, received {len(rows)}.")
    cells = np.concatenate([_cells(input_wh, stride) for stride in strides])
    kept = rows[:, 4] >= score_floor
    rows, (x, y, stride) = rows[kept], cells[kept].T
    centers = (rows[:, :2] + np.stack([x, y], axis=1)) * stride[:, None]
    # e^20 exceeds any picture; larger exponents would overflow.
    sizes = np.exp(np.minimum(rows[:, 2:4], 20)) * stride[:, None]
    boxes = cxcywh_to_xyxy(np.concatenate([centers, sizes], axis=1)) / (input_wh * 2)
    return best_class(boxes, rows[:, 4:5] * rows[:, 5:], score_floor)


def _cells(input_wh: Size, stride: int) -> np.ndarray:
    """(cells, 3): column, row and stride of each cell, row by row."""
    width, height = input_wh
    rows, columns = np.indices((height // stride, width // stride))
    return np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1)


LAYOUT = Layout("yolox", "(1, N, 5 + classes) raw grids (YOLOX)", recognise, decode)
