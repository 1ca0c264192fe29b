"""Settings and progress of a classifier's training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from ml_core.training.checkpoint import read_checkpoint
from ml_core.training.settings import Precision


@dataclass(frozen=True)
class ClassifierSettings:
    """The settings of a training; the defaults are for a start from random weights.

    ``learning_rate`` is the peak of the one-cycle schedule. ``weight_decay`` is decoupled: each
    step subtracts ``learning_rate * weight_decay`` times the kernels, so 5e-3 at a momentum of 0.9
    corresponds to a classic L2 regularisation of 5e-4. ``cutout`` is the side of the covered square
    in pixels (0: none). ``started_from`` names the weights that the training started from.
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
class ClassifierEpoch:
    """Loss and accuracies (in [0, 1]) of one epoch."""

    loss: float
    accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class ClassifierState:
    """Progress of a training, and what it trains on; ``mean`` is RGB in [0, 1]."""

    settings: ClassifierSettings
    labels: tuple[str, ...]
    mean: tuple[float, float, float]
    train_count: int
    history: tuple[ClassifierEpoch, ...] = ()

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.train_count // self.settings.batch_size)

    def after_epoch(self, logs: Mapping[str, float], seconds: float) -> Self:
        """This state with one more epoch, which had these Keras ``logs``."""
        epoch = ClassifierEpoch(
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            test_accuracy=float(logs["val_accuracy"]),
            seconds=seconds,
        )
        return replace(self, history=(*self.history, epoch))

    def epoch_summary(self) -> str:
        """The metrics of the last epoch and the time left, for people."""
        epoch = self.history[-1]
        left_s = epoch.seconds * (self.settings.epochs - len(self.history))
        return (
            f"loss {epoch.loss:.3f}, accuracy {100 * epoch.accuracy:.1f}%, "
            f"test {100 * epoch.test_accuracy:.1f}%, {tqdm.format_interval(epoch.seconds)}, "
            f"{tqdm.format_interval(left_s)} left"
        )


def read_classifier_state(folder: Path) -> ClassifierState:
    """Read the state of the training in ``folder``. Raises ``TrainingError``."""
    return read_checkpoint(folder, _parse)


def _parse(fields: dict[str, Any]) -> ClassifierState:
    red, green, blue = fields["mean"]
    return ClassifierState(
        settings=ClassifierSettings(**fields["settings"]),
        labels=tuple(fields["labels"]),
        mean=(red, green, blue),
        train_count=fields["train_count"],
        history=tuple(ClassifierEpoch(**epoch) for epoch in fields["history"]),
    )
