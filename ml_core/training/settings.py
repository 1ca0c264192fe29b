"""What the settings of all trainings share."""

from typing import Literal, get_args

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class TrainingError(ValueError):
    """The training cannot start, continue or be resumed; the text says what to do."""
