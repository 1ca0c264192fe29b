"""What happens during a training after each batch and each epoch."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
from tqdm import tqdm

from ml_core.training.checkpoint import TrainingState, write_checkpoint
from ml_core.training.settings import Epoch, TrainingError

Report = Callable[[str], object]


class CheckpointWriter(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch and reports on it; ``state`` is the newest one."""

    def __init__(self, state: TrainingState, output: Path, report: Report) -> None:
        super().__init__()
        self.state = state
        self.output = output
        self.report = report

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        settings = self.state.settings
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"The loss is not finite in epoch {epoch + 1}. Start again with a --learning-rate "
                f"below {settings.learning_rate} and another --output."
            )
        done = Epoch(
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            test_accuracy=float(logs["val_accuracy"]),
            seconds=time.perf_counter() - self.started,
        )
        self.state = replace(self.state, history=(*self.state.history, done))
        write_checkpoint(self.output, self.state, self.model)
        left_s = done.seconds * (settings.epochs - epoch - 1)
        self.report(
            f"epoch {epoch + 1}/{settings.epochs}: loss {done.loss:.3f}, "
            f"accuracy {100 * done.accuracy:.1f}%, test {100 * done.test_accuracy:.1f}%, "
            f"{tqdm.format_interval(done.seconds)}, {tqdm.format_interval(left_s)} left"
        )


class ProgressBar(keras.callbacks.Callback):
    """A bar per epoch with the time left of it, where somebody watches."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
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
