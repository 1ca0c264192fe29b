"""What a training is told, and what it notes of each epoch."""

from dataclasses import dataclass
from typing import Literal, get_args

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class TrainingError(ValueError):
    """The training cannot begin, continue or be resumed; the text says what to do."""


@dataclass(frozen=True)
class TrainingSettings:
    """All that shapes a training; the defaults suit one from random weights.

    ``learning_rate`` is the peak of the one-cycle schedule. ``weight_decay`` is decoupled: each
    step takes ``learning_rate * weight_decay`` off the kernels, so 5e-3 at a momentum of 0.9
    equals the 5e-4 of classic L2 regularisation. ``cutout`` is the side of the covered square
    in pixels (0: none). ``started_from`` names the weights a training continues from.
    """

    name: str
    depth: int = 56
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-3
    label_smoothing: float = 0.1
    cutout: int = 0
    precision: Precision = "float32"
    seed: int = 1
    started_from: str = ""


@dataclass(frozen=True)
class Epoch:
    """Loss and accuracies (in [0, 1]) after one pass over the training pictures."""

    loss: float
    accuracy: float
    test_accuracy: float
    seconds: float
