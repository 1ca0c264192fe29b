"""An unfinished training on disk: from it a training continues as if it had never stopped.

``checkpoint-0003.weights.h5`` holds the weights and the optimizer's state after three epochs,
``checkpoint.json`` all the rest. The JSON file names its weights file and replaces its
predecessor in one step, so the two fit together whenever the process ends.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import keras

from ml_core.networks.classifier_description import WEIGHTS_SUFFIX
from ml_core.training.settings import Epoch, TrainingError, TrainingSettings

FILE_NAME = "checkpoint.json"

AnyState = TypeVar("AnyState", bound="State")


class State(Protocol):
    """What a checkpoint needs of a state: to be a dataclass, and to count its epochs."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def history(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True)
class TrainingState:
    """How far a training is, and what it trains on; ``mean`` is RGB in [0, 1]."""

    settings: TrainingSettings
    labels: tuple[str, ...]
    mean: tuple[float, float, float]
    train_count: int
    history: tuple[Epoch, ...] = ()


def write_checkpoint(folder: Path, state: State, model: keras.Model) -> None:
    """Keep ``state`` and the compiled model, and drop the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"checkpoint-{len(state.history):04d}{WEIGHTS_SUFFIX}"
    model.save_weights(weights)
    new = folder / f"{FILE_NAME}.new"
    new.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    new.replace(folder / FILE_NAME)
    for old in folder.glob(f"checkpoint-*{WEIGHTS_SUFFIX}"):
        if old != weights:
            old.unlink()


def has_checkpoint(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file()


def read_state(folder: Path) -> TrainingState:
    """The state of the classifier's training in ``folder``. Raises ``TrainingError``."""
    return read_checkpoint(folder, _classifier_state)


def _classifier_state(fields: dict[str, Any]) -> TrainingState:
    red, green, blue = fields["mean"]
    return TrainingState(
        settings=TrainingSettings(**fields["settings"]),
        labels=tuple(fields["labels"]),
        mean=(red, green, blue),
        train_count=fields["train_count"],
        history=tuple(Epoch(**epoch) for epoch in fields["history"]),
    )


def read_checkpoint(folder: Path, parse: Callable[[dict[str, Any]], AnyState]) -> AnyState:
    """What ``parse`` makes of the fields in ``folder``'s checkpoint. Raises ``TrainingError``."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise TrainingError(
            f"There is no unfinished training in {folder}: expected {FILE_NAME}. Name the folder "
            "with --output, or start without --resume."
        )
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as exc:
        raise TrainingError(f"{path} cannot be read: {exc!r}. Start without it.") from exc


def load_weights(folder: Path, state: State, model: keras.Model) -> None:
    """Put weights and optimizer state into the compiled and built ``model``."""
    path = folder / f"checkpoint-{len(state.history):04d}{WEIGHTS_SUFFIX}"
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as exc:
        raise TrainingError(f"{path} cannot be read: {exc}. Start without --resume.") from exc


def remove_checkpoint(folder: Path) -> None:
    (folder / FILE_NAME).unlink(missing_ok=True)
    remove_weights(folder)


def remove_weights(folder: Path) -> None:
    """Remove all of a checkpoint but its state, which says how a network was trained."""
    for weights in folder.glob(f"checkpoint-*{WEIGHTS_SUFFIX}"):
        weights.unlink()


def has_weights(folder: Path) -> bool:
    """Whether they are still there."""
    return any(folder.glob(f"checkpoint-*{WEIGHTS_SUFFIX}"))
