"""Training of a detector that a Darknet ``.cfg`` describes, with any Keras backend."""

import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from ml_core.networks.darknet import save_weights
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture
from ml_core.training import checkpoint
from ml_core.training.detection.batches import DetectionBatches
from ml_core.training.detection.config import STRIDE, fit_config
from ml_core.training.detection.state import (
    DetectorEpoch,
    DetectorSettings,
    DetectorState,
    read_detector_state,
)
from ml_core.training.detection.trainable import TrainableDetector, build_trainable, copy_weights
from ml_core.training.settings import TrainingError

Report = Callable[[str], object]


def start_training(
    pictures: Sequence[LabelledPicture],
    labels: tuple[str, ...],
    settings: DetectorSettings,
    output: Path,
    *,
    config_path: Path,
    weights_path: Path | None = None,
    minutes: float = math.inf,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = print,
) -> DetectorState:
    """Train the network of ``config_path``, and write it to ``output`` as a Darknet model.

    Number of classes, anchors and input size are fitted to the data. ``weights_path`` is what to
    start from, else random weights; of another number of classes, all but the heads are taken.
    Stops after the last epoch that fits into ``minutes``, and can be resumed then. ``report`` is
    told the state after each epoch. Raises ``TrainingError``, ``LabelError``, ``DarknetError``.
    """
    if checkpoint.has_checkpoint(output):
        raise TrainingError(
            f"{output} holds a training already. Continue it with --resume, choose another "
            "--output, or remove that folder."
        )
    keras.utils.set_random_seed(settings.seed)
    if weights_path:
        settings = replace(settings, started_from=weights_path.name)
    state = _first_state(pictures, labels, settings, config_path)
    model = build_trainable(state)
    if weights_path:
        copy_weights(config_path, weights_path, model)
    # Before the first epoch, so that there is something to resume whenever it is stopped.
    checkpoint.write_checkpoint(output, state, model)
    return _train(pictures, state, model, output, minutes, callbacks, report)


def resume_training(
    pictures: Sequence[LabelledPicture],
    output: Path,
    *,
    minutes: float = math.inf,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = print,
) -> DetectorState:
    """Continue the training in ``output``, with the settings it was started with.

    Of a finished one, which may come from another machine, nothing is left to do.
    """
    state = read_detector_state(output)
    if state.is_finished and not checkpoint.has_weights(output):
        return state
    objects = _count_objects(pictures)
    if (state.picture_count, state.object_count) != (len(pictures), objects):
        raise LabelError(
            f"The training in {output} was started with {state.object_count:,} objects in "
            f"{state.picture_count:,} pictures, received {objects:,} in {len(pictures):,}. "
            "Resume it with the same data."
        )
    model = build_trainable(state)
    checkpoint.load_weights(output, state, model)
    return _train(pictures, state, model, output, minutes, callbacks, report)


def _first_state(
    pictures: Sequence[LabelledPicture],
    labels: tuple[str, ...],
    settings: DetectorSettings,
    config_path: Path,
) -> DetectorState:
    if settings.side < STRIDE or settings.side % STRIDE:
        raise TrainingError(
            f"Expected a --side that is a multiple of {STRIDE} pixels, received {settings.side}."
        )
    config = fit_config(
        config_path.read_text(encoding="utf-8-sig", errors="replace"),
        side=settings.side,
        num_classes=len(labels),
        sizes_rel_wh=relative_sizes(pictures),
    )
    backend = keras.config.backend()
    return DetectorState(
        settings,
        config,
        labels,
        picture_count=len(pictures),
        object_count=_count_objects(pictures),
        versions=f"Python {platform.python_version()}, Keras {keras.__version__}, "
        f"{backend} {version(backend)}, NumPy {np.__version__}",
    )


def _count_objects(pictures: Sequence[LabelledPicture]) -> int:
    return sum(len(picture.class_ids) for picture in pictures)


def relative_sizes(pictures: Sequence[LabelledPicture]) -> np.ndarray:
    """The (N, 2) widths and heights of all objects, relative to their pictures.

    Raises ``LabelError`` when there is none.
    """
    sizes = np.concatenate(
        [(p.boxes_xyxy[:, 2:] - p.boxes_xyxy[:, :2]) / p.resolution_wh for p in pictures]
    )
    sizes = sizes[sizes.min(axis=1) > 0]
    if not len(sizes):
        raise LabelError("Expected labelled objects to train on; there is none in any picture.")
    return sizes


class EpochWriter(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch and reports on it; ``state`` is the newest one."""

    def __init__(self, state: DetectorState, output: Path, minutes: float, report: Report) -> None:
        super().__init__()
        self.state = state
        self.output = output
        self.stop_at_s = time.monotonic() + 60 * minutes
        self.report = report

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
        done = DetectorEpoch(loss=float(logs["loss"]), seconds=now_s - self.started_s)
        self.state = replace(self.state, history=(*self.state.history, done))
        checkpoint.write_checkpoint(self.output, self.state, self.model)
        left = timedelta(seconds=round(done.seconds * (settings.epochs - epoch - 1)))
        speed = self.state.pictures_per_epoch / done.seconds
        self.report(
            f"epoch {epoch + 1}/{settings.epochs}: loss {done.loss:.3f}, "
            f"{speed:.1f} pictures/s, {left} left"
        )
        if now_s + done.seconds > self.stop_at_s:
            self.model.stop_training = True


def _train(
    pictures: Sequence[LabelledPicture],
    state: DetectorState,
    model: TrainableDetector,
    output: Path,
    minutes: float,
    callbacks: Sequence[keras.callbacks.Callback],
    report: Report,
) -> DetectorState:
    settings = state.settings
    batches = DetectionBatches(
        pictures,
        model.slots,
        side=settings.side,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=settings.seed,
        start_epoch=len(state.history),
    )
    writer = EpochWriter(state, output, minutes, report)
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(state.history),
        # The batches shuffle themselves, differently in each epoch but the same when resumed.
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, writer],
    )
    write_network(output, writer.state, model)
    return writer.state


def write_network(output: Path, state: DetectorState, model: keras.Model) -> None:
    """Write the Darknet model; of a finished training the checkpoint's weights go."""
    name = state.settings.name
    output.joinpath(f"{name}.cfg").write_text(state.config, encoding="utf-8")
    output.joinpath(f"{name}.names").write_text("\n".join(state.labels) + "\n", encoding="utf-8")
    save_weights(model, output / f"{name}.weights")
    if state.is_finished:
        checkpoint.remove_weights(output)
