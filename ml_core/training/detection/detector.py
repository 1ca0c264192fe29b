"""Train a detector described by a Darknet ``.cfg`` file, with any Keras backend."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from ml_core.networks.darknet import save_weights
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture
from ml_core.training import checkpoint
from ml_core.training.callbacks import CheckpointWriter, Report
from ml_core.training.detection.batches import DetectionBatches
from ml_core.training.detection.config import STRIDE, fit_config
from ml_core.training.detection.state import DetectorSettings, DetectorState, read_detector_state
from ml_core.training.detection.trainable import TrainableDetector, build_trainable, copy_weights
from ml_core.training.precision import software_versions
from ml_core.training.settings import TrainingError


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

    Number of classes, anchors and input size are adapted to the data. The training starts from
    ``weights_path`` or from random weights; if the number of classes differs, the heads start from
    random weights. It stops after the last epoch that fits into ``minutes``, and can be resumed.
    ``report`` receives a line after each epoch. Raises ``TrainingError``, ``LabelError`` or
    ``DarknetError``.
    """
    if checkpoint.has_checkpoint(output):
        raise TrainingError(
            f"{output} holds a training already. Continue it with --resume, choose another "
            "--output, or remove that folder."
        )
    keras.utils.set_random_seed(settings.seed)
    if weights_path:
        settings = replace(settings, started_from=weights_path.name)
    state = _initial_state(pictures, labels, settings, config_path)
    model = build_trainable(state)
    if weights_path:
        copy_weights(config_path, weights_path, model)
    # So that it can be resumed even if stopped during the first epoch.
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
    """Continue the training in ``output`` with its original settings.

    Returns the state of a finished training, which may come from another machine, unchanged.
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


def _initial_state(
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
        sizes_rel_wh=relative_box_sizes(pictures),
    )
    return DetectorState(
        settings,
        config,
        labels,
        picture_count=len(pictures),
        object_count=_count_objects(pictures),
        versions=software_versions(),
    )


def _count_objects(pictures: Sequence[LabelledPicture]) -> int:
    return sum(len(picture.class_ids) for picture in pictures)


def relative_box_sizes(pictures: Sequence[LabelledPicture]) -> np.ndarray:
    """The (N, 2) widths and heights of all objects, relative to their pictures.

    Raises ``LabelError`` if there are none.
    """
    sizes = np.concatenate(
        [(p.boxes_xyxy[:, 2:] - p.boxes_xyxy[:, :2]) / p.resolution_wh for p in pictures]
    )
    sizes = sizes[sizes.min(axis=1) > 0]
    if not len(sizes):
        raise LabelError("Expected labelled objects to train on; there is none in any picture.")
    return sizes


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
        model.grid,
        side=settings.side,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=settings.seed,
        start_epoch=len(state.history),
    )
    writer = CheckpointWriter(state, output, report, minutes=minutes)
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(state.history),
        # DetectionBatches shuffles by epoch, so that a resumed training gets the same order.
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, writer],
    )
    write_network(output, writer.state, model)
    return writer.state


def write_network(output: Path, state: DetectorState, model: keras.Model) -> None:
    """Write the Darknet model, and delete the checkpoint's weights of a finished training."""
    name = state.settings.name
    output.joinpath(f"{name}.cfg").write_text(state.config, encoding="utf-8")
    output.joinpath(f"{name}.names").write_text("\n".join(state.labels) + "\n", encoding="utf-8")
    save_weights(model, output / f"{name}.weights")
    if state.is_finished:
        checkpoint.remove_weights(output)
