"""What the settings of all trainings share."""

from argparse import ArgumentTypeError
from typing import Literal, get_args

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class TrainingError(ValueError):
    """The training cannot start, continue or be resumed; the text says what to do."""


def positive_int(text: str) -> int:
    """The type of command-line arguments that are integers of at least 1."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"expected 1 or more, received {text}")
    return number
