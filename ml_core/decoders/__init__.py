"""Decoders of detectors' outputs: one small module per output layout, found by its name.

Darknet's layout needs the ``.cfg`` file and is in ``ml_core.networks.yolo``.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders import detr, end_to_end, final_boxes, yolov5, yolov8, yolox
from ml_core.decoders.layout import Layout, Outputs, Recognised, Size
from ml_core.errors import InferenceFailed
from ml_core.labels import COCO_CATEGORY_IDS
from ml_core.networks.yolo import Candidates

# In the order in which they are tried: those that fewer shapes fit come first.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        final_boxes.LAYOUT_YXYX,
        final_boxes.LAYOUT_XYXY,
        detr.LAYOUT,
        yolov8.LAYOUT,
        yolox.LAYOUT,
        yolov5.LAYOUT,
        end_to_end.LAYOUT,
        yolov8.TRANSPOSED,
    )
}


def recognise_layout(
    outputs: Outputs, input_wh: Size, class_count: int | None = None, layout: str = ""
) -> Recognised | None:
    """The first layout that a trial's outputs fit, or None; ``layout`` names the only one to try.

    ``class_count`` is the number of labels, if known.
    """
    for name, known in LAYOUTS.items():
        if layout in ("", name):
            found = known.recognise(outputs, input_wh, class_count)
            if found:
                return found
    return None


def describe_outputs(outputs: Outputs) -> str:
    """Names and shapes, for the error about an unknown layout."""
    return ", ".join(f"{name} {output.shape}" for name, output in outputs.items())


def decode_outputs(
    outputs: Sequence[np.ndarray],
    output: OutputFormat,
    input_wh: Size,
    *,
    class_count: int,
    score_floor: float,
) -> Candidates:
    """Decode one picture's outputs into boxes with class ids from 0 to ``class_count`` - 1.

    Raises ``InferenceFailed`` if an output is not finite.
    """
    if not all(np.isfinite(array).all() for array in outputs):
        raise InferenceFailed("The network returned numbers that are not finite.")
    found = LAYOUTS[output.layout].decode(outputs, output, input_wh, score_floor)
    class_ids = label_ids(found.class_ids, output)
    # Numbers without a label are the background, or gaps in COCO's ids.
    kept = (class_ids >= 0) & (class_ids < class_count)
    return replace(
        found,
        boxes_rel_xyxy=found.boxes_rel_xyxy[kept],
        scores=found.scores[kept],
        class_ids=class_ids[kept],
    )


def label_ids(class_ids: np.ndarray, output: OutputFormat) -> np.ndarray:
    """The positions of labels for (N,) class numbers of a network; -1 where there is none."""
    positions = class_ids - output.first_class_id
    if not output.is_sparse_coco:
        return positions
    table = np.full(max(COCO_CATEGORY_IDS), -1)
    table[np.array(COCO_CATEGORY_IDS) - 1] = np.arange(len(COCO_CATEGORY_IDS))
    inside = (positions >= 0) & (positions < len(table))
    return np.where(inside, table[np.where(inside, positions, 0)], -1)
