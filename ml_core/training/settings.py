"""What the settings of all trainings share."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Literal, Protocol, get_args

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class TrainingError(ValueError):
    """The training cannot start, continue or be resumed; the text says what to do."""


class CommonSettings(Protocol):
    """The settings that classifiers and detectors have in common."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def seed(self) -> int: ...


def add_common_arguments(parser: ArgumentParser, defaults: CommonSettings) -> None:
    """Add ``--resume`` and the arguments of ``CommonSettings``."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume the training in --output with its original settings",
    )
    parser.add_argument("--epochs", type=positive_int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=positive_int, default=defaults.batch_size)
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=defaults.learning_rate,
        help="peak of the one-cycle schedule",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=defaults.precision,
        help=(
            "mixed precision is faster only on GPUs: bfloat16 on recent ones, float16 on older ones"
        ),
    )
    parser.add_argument("--seed", type=int, default=defaults.seed)


def positive_int(text: str) -> int:
    """The type of command-line arguments that are integers of at least 1."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"expected 1 or more, received {text}")
    return number
