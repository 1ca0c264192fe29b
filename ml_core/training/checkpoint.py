"""Checkpoints, from which an interrupted training resumes as if it had never stopped.

``checkpoint-0003.weights.h5`` holds the weights and the optimizer state after three epochs,
``checkpoint.json`` everything else. The JSON file is replaced atomically and, by its number of
epochs, refers to one weights file, so the two match whenever the process is killed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from ml_core.networks.classifier_description import WEIGHTS_SUFFIX
from ml_core.training.settings import TrainingError

if TYPE_CHECKING:
    import keras

FILE_NAME = "checkpoint.json"

AnyState = TypeVar("AnyState", bound="State")


class State(Protocol):
    """The progress of a training: a dataclass with one entry of ``history`` per epoch."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def settings(self) -> Any: ...

    @property
    def history(self) -> tuple[Any, ...]: ...

    def after_epoch(self, logs: Mapping[str, float], seconds: float) -> Self:
        """This state with one more epoch, which had these Keras ``logs``."""
        ...

    def epoch_summary(self) -> str:
        """The metrics of the last epoch and the time left, for people."""
        ...


def write_checkpoint(folder: Path, state: State, model: "keras.Model") -> None:
    """Save ``state`` and the compiled ``model``, then delete the previous checkpoint."""
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
    """Whether ``folder`` holds a checkpoint."""
    return (folder / FILE_NAME).is_file()


def read_checkpoint(folder: Path, parse: Callable[[dict[str, Any]], AnyState]) -> AnyState:
    """Read the state in ``folder``; ``parse`` builds it from JSON. Raises ``TrainingError``."""
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


def load_weights(folder: Path, state: State, model: "keras.Model") -> None:
    """Load weights and optimizer state into the compiled and built ``model``."""
    path = folder / f"checkpoint-{len(state.history):04d}{WEIGHTS_SUFFIX}"
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as exc:
        raise TrainingError(f"{path} cannot be read: {exc}. Start without --resume.") from exc


def remove_checkpoint(folder: Path) -> None:
    """Delete the checkpoint in ``folder``."""
    (folder / FILE_NAME).unlink(missing_ok=True)
    remove_weights(folder)


def remove_weights(folder: Path) -> None:
    """Delete the checkpoint's weights, but keep the state, which documents the training."""
    for weights in folder.glob(f"checkpoint-*{WEIGHTS_SUFFIX}"):
        weights.unlink()


def has_weights(folder: Path) -> bool:
    """Whether ``folder`` still holds the weights of a checkpoint."""
    return any(folder.glob(f"checkpoint-*{WEIGHTS_SUFFIX}"))
