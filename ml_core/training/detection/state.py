"""Settings and progress of a detector's training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from ml_core.training.checkpoint import read_checkpoint
from ml_core.training.settings import Precision


@dataclass(frozen=True)
class DetectorSettings:
    """The settings of a training; the defaults are for a start from random weights.

    ``side`` is the network's input size in pixels, ``learning_rate`` the peak of AdamW's one-cycle
    schedule. ``started_from`` names the weights that the training started from.
    """

    name: str
    side: int = 320
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 2e-3
    precision: Precision = "float32"
    seed: int = 1
    started_from: str = ""


@dataclass(frozen=True)
class DetectorEpoch:
    """The mean loss of one epoch, and its duration."""

    loss: float
    seconds: float


@dataclass(frozen=True)
class DetectorState:
    """Progress of a training, and what it trains.

    ``config`` is the text of the ``.cfg`` file, ``versions`` the software that started it.
    """

    settings: DetectorSettings
    config: str
    labels: tuple[str, ...]
    picture_count: int
    object_count: int
    versions: str
    history: tuple[DetectorEpoch, ...] = ()

    @property
    def is_finished(self) -> bool:
        return len(self.history) >= self.settings.epochs

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.picture_count // self.settings.batch_size)

    @property
    def pictures_per_epoch(self) -> int:
        return self.steps_per_epoch * min(self.settings.batch_size, self.picture_count)

    def after_epoch(self, logs: Mapping[str, float], seconds: float) -> Self:
        """This state with one more epoch, which had these Keras ``logs``."""
        epoch = DetectorEpoch(loss=float(logs["loss"]), seconds=seconds)
        return replace(self, history=(*self.history, epoch))

    def epoch_summary(self) -> str:
        """The loss of the last epoch, the speed and the time left, for people."""
        epoch = self.history[-1]
        epochs_left = self.settings.epochs - len(self.history)
        left = timedelta(seconds=round(epoch.seconds * epochs_left))
        speed = self.pictures_per_epoch / epoch.seconds
        return f"loss {epoch.loss:.3f}, {speed:.1f} pictures/s, {left} left"


def read_detector_state(folder: Path) -> DetectorState:
    """Read the state of the training in ``folder``. Raises ``TrainingError``."""
    return read_checkpoint(folder, _parse)


def _parse(fields: dict[str, Any]) -> DetectorState:
    return DetectorState(
        settings=DetectorSettings(**fields["settings"]),
        config=fields["config"],
        labels=tuple(fields["labels"]),
        picture_count=fields["picture_count"],
        object_count=fields["object_count"],
        versions=fields["versions"],
        history=tuple(DetectorEpoch(**epoch) for epoch in fields["history"]),
    )
