"""Training of a ResNet v2 classifier, with any Keras backend."""

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
    TrainingState,
    has_checkpoint,
    load_weights,
    read_state,
    remove_checkpoint,
    write_checkpoint,
)
from ml_core.training.classification.batches import AugmentedBatches
from ml_core.training.classification.data import Dataset, DatasetError
from ml_core.training.classification.evaluation import Evaluation, evaluate
from ml_core.training.classification.report import model_card, save_confusion_matrix, save_curve
from ml_core.training.precision import dtype_policy, jit_compile
from ml_core.training.schedule import OneCycle
from ml_core.training.settings import TrainingError, TrainingSettings

MOMENTUM = 0.9
# The curve needs no more: with 2,000 pictures one point is good to about 1 %.
CURVE_PICTURES = 2000
HEAD = "probabilities"


def start_training(
    dataset: Dataset,
    settings: TrainingSettings,
    output: Path,
    *,
    start_weights: Path | None = None,
    report: Report = print,
) -> Evaluation:
    """Train, and write weights, description, pictures and model card to ``output``.

    ``start_weights`` is a ``.weights.h5`` file to continue from; with other classes than the
    data's, all but its last layer is used. ``report`` is told the state after each epoch.
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
    state = TrainingState(
        replace(settings, started_from=start.name if start else ""),
        dataset.labels,
        # The start's weights fit the start's mean.
        start.mean if start else rgb_mean(dataset.train.images),
        len(dataset.train),
    )
    model = build_trainable(state)
    if start and start_weights:
        copy_weights(load_resnet_v2(start, start_weights), model, start.labels == dataset.labels)
    # Before the first epoch, so that there is something to resume whenever it is stopped.
    write_checkpoint(output, state, model)
    return _train(dataset, state, model, output, report)


def resume_training(dataset: Dataset, output: Path, *, report: Report = print) -> Evaluation:
    """Continue the training in ``output``, with the settings it was started with."""
    state = read_state(output)
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
    # Picture by picture: the sum of all in one go would copy them as floats.
    red, green, blue = np.mean([image.mean(axis=(0, 1)) for image in images], axis=0) / 255
    return float(red), float(green), float(blue)


def build_trainable(state: TrainingState) -> keras.Model:
    """The network with random weights, compiled and with its optimizer built."""
    settings = state.settings
    with dtype_policy(settings.precision):
        model = build_resnet_v2(
            depth=settings.depth, num_classes=len(state.labels), mean=state.mean
        )
    optimizer = keras.optimizers.SGD(
        OneCycle(
            peak=settings.learning_rate,
            total_steps=settings.epochs * steps_per_epoch(state),
        ),
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=settings.weight_decay,
    )
    # Biases and normalisation have too few numbers to overfit, and zero is no goal for them.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=jit_compile(),
    )
    model.optimizer.build(model.trainable_variables)
    return model


def steps_per_epoch(state: TrainingState) -> int:
    return max(1, state.train_count // state.settings.batch_size)


def copy_weights(source: keras.Model, target: keras.Model, with_head: bool) -> None:
    """Copy weights layer by layer; the last one only if it tells the same classes apart."""
    for layer in target.layers:
        if layer.name != HEAD or with_head:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _train(
    dataset: Dataset, state: TrainingState, model: keras.Model, output: Path, report: Report
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
    measured = np.random.default_rng(0).permutation(len(dataset.test))[:CURVE_PICTURES]
    checkpoints = CheckpointWriter(state, output, report)
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=len(state.history),
        # The batches shuffle themselves, differently in each epoch but the same when resumed.
        shuffle=False,
        validation_data=(
            dataset.test.images[measured],
            batches.one_hot[dataset.test.class_ids[measured]],
        ),
        validation_batch_size=250,
        verbose=0,
        callbacks=[ProgressBar(), checkpoints],
    )
    evaluation = write_results(output, checkpoints.state, model.get_weights(), dataset)
    remove_checkpoint(output)
    return evaluation


def write_results(
    output: Path,
    state: TrainingState,
    weights: list[np.ndarray],
    dataset: Dataset,
) -> Evaluation:
    """Measure the trained network on all test pictures and write all that is kept of it."""
    settings = state.settings
    # Built anew, so that neither the optimizer's state nor mixed precision gets into the file.
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
