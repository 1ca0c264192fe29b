"""Keras callbacks of all trainings: checkpoints and the progress bar."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic

import keras

from ml_core.training.checkpoint import AnyState, write_checkpoint
from ml_core.training.settings import TrainingError

# Receives a line of progress after each epoch.
Report = Callable[[str], object]


class CheckpointWriter(keras.callbacks.Callback, Generic[AnyState]):
    """Writes a checkpoint and reports progress after each epoch; ``state`` is the newest one.

    Stops the training after the last epoch that fits into ``minutes``.
    """

    def __init__(
        self, state: AnyState, output: Path, report: Report, *, minutes: float = math.inf
    ) -> None:
        super().__init__()
        self.state = state
        self.output = output
        self.report = report
        self.stop_at_s = time.monotonic() + 60 * minutes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started_s = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        settings = self.state.settings
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"The loss is not finite in epoch {epoch + 1}. Start again with a --learning-rate "
                f"below {settings.learning_rate} and another --output."
            )
        now_s = time.monotonic()
        seconds = now_s - self.started_s
        self.state = self.state.after_epoch(logs, seconds)
        write_checkpoint(self.output, self.state, self.model)
        self.report(f"epoch {epoch + 1}/{settings.epochs}: {self.state.epoch_summary()}")
        if now_s + seconds > self.stop_at_s:
            self.model.stop_training = True


class ProgressBar(keras.callbacks.Callback):
    """A bar per epoch, shown only on a terminal."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        # Imported here, because machines that only train need not have tqdm.
        from tqdm import tqdm

        title = f"epoch {epoch + 1}/{self.params['epochs']}"
        steps = self.params["steps"]
        self.bar = tqdm(None, title, steps, leave=False, disable=None, unit="batch")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if logs and not self.bar.disable:
            shown = {key: f"{value:.3f}" for key, value in logs.items()}
            self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.bar.close()
