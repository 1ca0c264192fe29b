"""What the training of a detector is told, and how far it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_core.training.checkpoint import read_checkpoint
from ml_core.training.settings import Precision


@dataclass(frozen=True)
class DetectorSettings:
    """All that shapes a training; the defaults suit one from random weights.

    ``side`` is the network's input in pixels, ``learning_rate`` the peak of the one-cycle
    schedule of AdamW. ``started_from`` names the weights a training continues from.
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
    """The mean loss of one pass over the pictures, and how long it took."""

    loss: float
    seconds: float


@dataclass(frozen=True)
class DetectorState:
    """How far a training is, and what it trains.

    ``config`` is the text of its ``.cfg`` file, ``versions`` what it was begun with.
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


def read_detector_state(folder: Path) -> DetectorState:
    """The state of the detector's training in ``folder``. Raises ``TrainingError``."""
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
