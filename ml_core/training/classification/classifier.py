"""Train a ResNet v2 classifier, with any Keras backend."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from ml_core.networks.classifier_description import (
    WEIGHTS_SUFFIX,
    ClassifierDescription,
    read_description,
    write_description,
)
from ml_core.networks.resnet_v2 import build_resnet_v2, load_resnet_v2
from ml_core.training.callbacks import CheckpointWriter, ProgressBar, Report
from ml_core.training.checkpoint import (
    has_checkpoint,
    load_weights,
    remove_checkpoint,
    write_checkpoint,
)
from ml_core.training.classification.batches import AugmentedBatches
from ml_core.training.classification.data import Dataset, DatasetError
from ml_core.training.classification.evaluation import Evaluation, evaluate
from ml_core.training.classification.report import model_card, save_confusion_matrix, save_curve
from ml_core.training.classification.state import (
    ClassifierSettings,
    ClassifierState,
    read_classifier_state,
)
from ml_core.training.precision import dtype_policy, jit_compile
from ml_core.training.schedule import OneCycle
from ml_core.training.settings import TrainingError

MOMENTUM = 0.9
# Enough for the curve: the standard error of an accuracy on 2,000 pictures is about 1%.
CURVE_PICTURES = 2000
HEAD = "probabilities"


def start_training(
    dataset: Dataset,
    settings: ClassifierSettings,
    output: Path,
    *,
    start_weights: Path | None = None,
    report: Report = print,
) -> Evaluation:
    """Train, and write weights, description, plots and model card to ``output``.

    ``start_weights`` is a ``.weights.h5`` file to start from; if its classes differ from the
    data's, its last layer is not used. ``report`` receives a line after each epoch.
    """
    if has_checkpoint(output):
        raise TrainingError(
            f"{output} holds an unfinished training. Continue it with --resume, choose another "
            "--output, or remove its checkpoint files."
        )
    keras.utils.set_random_seed(settings.seed)
    start = read_description(start_weights) if start_weights else None
    if start and start.depth != settings.depth:
        raise TrainingError(
            f"{start_weights} has depth {start.depth}, but a depth of {settings.depth} was asked "
            f"for. Use --depth {start.depth}."
        )
    state = ClassifierState(
        replace(settings, started_from=start.name if start else ""),
        dataset.labels,
        # The weights were trained with their own mean.
        start.mean if start else rgb_mean(dataset.train.images),
        len(dataset.train),
    )
    model = build_trainable(state)
    if start and start_weights:
        copy_weights(load_resnet_v2(start, start_weights), model, start.labels == dataset.labels)
    # So that it can be resumed even if stopped during the first epoch.
    write_checkpoint(output, state, model)
    return _train(dataset, state, model, output, report)


def resume_training(dataset: Dataset, output: Path, *, report: Report = print) -> Evaluation:
    """Continue the training in ``output`` with its original settings."""
    state = read_classifier_state(output)
    if (state.labels, state.train_count) != (dataset.labels, len(dataset.train)):
        raise DatasetError(
            f"The training in {output} was started with {state.train_count:,} pictures of "
            f"{len(state.labels)} classes; {dataset.name} has {len(dataset.train):,} of "
            f"{len(dataset.labels)}. Resume it with the same data."
        )
    model = build_trainable(state)
    load_weights(output, state, model)
    return _train(dataset, state, model, output, report)


def rgb_mean(images: np.ndarray) -> tuple[float, float, float]:
    """The mean colour of (N, H, W, 3) uint8, RGB in [0, 1]."""
    # Per picture, because averaging all at once would copy them as floats.
    red, green, blue = np.mean([image.mean(axis=(0, 1)) for image in images], axis=0) / 255
    return float(red), float(green), float(blue)


def build_trainable(state: ClassifierState) -> keras.Model:
    """Build the network with random weights, compile it, and build its optimizer."""
    settings = state.settings
    with dtype_policy(settings.precision):
        model = build_resnet_v2(
            depth=settings.depth, num_classes=len(state.labels), mean=state.mean
        )
    optimizer = keras.optimizers.SGD(
        OneCycle(
            peak=settings.learning_rate,
            total_steps=settings.epochs * state.steps_per_epoch,
        ),
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=settings.weight_decay,
    )
    # Biases and normalisation have too few parameters to overfit.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=jit_compile(),
    )
    model.optimizer.build(model.trainable_variables)
    return model


def copy_weights(source: keras.Model, target: keras.Model, with_head: bool) -> None:
    """Copy the weights of all layers; those of the last one only ``with_head``."""
    for layer in target.layers:
        if layer.name != HEAD or with_head:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _train(
    dataset: Dataset, state: ClassifierState, model: keras.Model, output: Path, report: Report
) -> Evaluation:
    settings = state.settings
    batches = AugmentedBatches(
        dataset.train,
        num_classes=len(state.labels),
        batch_size=settings.batch_size,
        cutout=settings.cutout,
        fill=np.round(255 * np.array(state.mean)).astype(np.uint8),
        seed=settings.seed,
        start_epoch=len(state.history),
    )
    test_ids = np.random.default_rng(0).permutation(len(dataset.test))[:CURVE_PICTURES]
    writer = CheckpointWriter(state, output, report)
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(state.history),
        # AugmentedBatches shuffles by epoch, so that a resumed training gets the same order.
        shuffle=False,
        validation_data=(
            dataset.test.images[test_ids],
            batches.one_hot[dataset.test.class_ids[test_ids]],
        ),
        validation_batch_size=250,
        verbose=0,
        callbacks=[ProgressBar(), writer],
    )
    evaluation = write_results(output, writer.state, model.get_weights(), dataset)
    remove_checkpoint(output)
    return evaluation


def write_results(
    output: Path,
    state: ClassifierState,
    weights: list[np.ndarray],
    dataset: Dataset,
) -> Evaluation:
    """Evaluate the trained network on all test pictures, and write its files and reports."""
    settings = state.settings
    # A new model, so that neither the optimizer state nor mixed precision gets into the file.
    model = build_resnet_v2(depth=settings.depth, num_classes=len(state.labels), mean=state.mean)
    model.set_weights(weights)
    evaluation = evaluate(model, dataset.test, state.labels)

    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{settings.name}{WEIGHTS_SUFFIX}"
    model.save_weights(path)
    write_description(
        ClassifierDescription(
            settings.name, settings.depth, state.mean, state.labels, evaluation.accuracy
        ),
        path,
    )
    save_curve(list(state.history), output / f"{settings.name}-curve.png")
    save_confusion_matrix(evaluation, output / f"{settings.name}-confusion.png")
    card = model_card(
        settings,
        list(state.history),
        evaluation,
        dataset_name=dataset.name,
        train_count=state.train_count,
    )
    output.joinpath(f"{settings.name}.md").write_text(card, encoding="utf-8")
    return evaluation
