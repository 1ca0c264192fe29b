"""What all output layouts of detectors have in common.

A layout is recognised once, by the outputs of a trial, when a model is added; its decoder then
turns the outputs for each picture into candidate boxes. Decoders are pure NumPy functions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml_core.catalog.formats import BoxUnit, OutputFormat
from ml_core.errors import Phrase
from ml_core.networks.yolo import Candidates, sigmoid

# (width, height) in pixels.
Size = tuple[int, int]
# The outputs of a trial by name, each (1, ...).
Outputs = Mapping[str, np.ndarray]

COCO_CLASSES = 80
# COCO's category ids from 1 to 90, or from 0 to 90.
SPARSE_COCO_CLASSES = (90, 91)
# Relative coordinates may exceed 1 a little, and pixels are far above.
MAX_RELATIVE = 4.0


@dataclass(frozen=True)
class Recognised:
    """What is known from the outputs of a trial; ``reason`` says by what, for a person.

    ``family`` names networks that are trained alike. ``class_count`` is None where the outputs do
    not tell it.
    """

    family: str
    output: OutputFormat
    class_count: int | None
    reason: Phrase


@dataclass(frozen=True)
class Layout:
    """One output layout.

    ``recognise`` takes the outputs of a trial, the input's size and the number of labels, if
    known. ``decode`` takes one picture's outputs in the order of ``OutputFormat.tensors``, the
    format, the input's size and the score floor; class ids are the network's own.
    """

    name: str
    shapes: str
    recognise: Callable[[Outputs, Size, int | None], Recognised | None]
    decode: Callable[[Sequence[np.ndarray], OutputFormat, Size, float], Candidates]


def only_output(outputs: Outputs) -> tuple[str, np.ndarray] | None:
    """Name and array of the single output, if there is one and it is (1, rows, columns)."""
    if len(outputs) != 1:
        return None
    ((name, output),) = outputs.items()
    return (name, output) if output.ndim == 3 else None


def relative_boxes(boxes: np.ndarray, output: OutputFormat, input_wh: Size) -> np.ndarray:
    """(N, 4) boxes relative to the input; x and y alternate in any order of corners."""
    return boxes / (input_wh * 2) if output.box_unit == "pixels" else boxes


def box_unit(coordinates: np.ndarray) -> BoxUnit:
    """The unit of a trial's coordinates, by their size; pixels if there are none."""
    if not coordinates.size:
        return "pixels"
    return "relative" if np.abs(coordinates).max() <= MAX_RELATIVE else "pixels"


def best_class(boxes_rel_xyxy: np.ndarray, scores: np.ndarray, score_floor: float) -> Candidates:
    """The class with the highest of (N, classes) scores for each box, where it is high enough."""
    class_ids = scores.argmax(axis=1)
    best = scores[np.arange(len(scores)), class_ids]
    kept = best >= score_floor
    return Candidates(boxes_rel_xyxy[kept], best[kept], class_ids[kept])


def grid_cells(input_wh: Size, strides: Sequence[int]) -> int:
    """The number of cells of all grids over the input."""
    width, height = input_wh
    return sum((width // stride) * (height // stride) for stride in strides)


def pyramid_strides(input_wh: Size, count: int) -> tuple[int, ...] | None:
    """The strides of a feature pyramid with ``count`` cells in all, or None."""
    for strides in ((8, 16, 32), (8, 16, 32, 64), (16, 32), (4, 8, 16, 32), (8,), (16,), (32,)):
        if grid_cells(input_wh, strides) == count:
            return strides
    return None


def softmax(x: np.ndarray) -> np.ndarray:
    """The softmax over the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def activate(values: np.ndarray, output: OutputFormat) -> np.ndarray:
    """Class scores in [0, 1] from (..., classes) values."""
    if output.activation == "sigmoid":
        return sigmoid(values)
    return softmax(values) if output.activation == "softmax" else values
