"""Reports of a classifier's training: curve, confusion matrix, model card."""

import platform
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ml_core.training.classification.evaluation import Evaluation
from ml_core.training.classification.state import ClassifierEpoch, ClassifierSettings
from ml_core.training.precision import gpu_count, software_versions

# With more classes, numbers in the cells would be illegible.
MAX_NUMBERED_CLASSES = 20


def save_curve(history: list[ClassifierEpoch], path: Path) -> None:
    """Plot loss and accuracy by epoch to a PNG file."""
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [epoch.loss for epoch in history], marker=".", label="training")
    loss.set(xlabel="epoch", ylabel="loss", title="Loss")
    accuracy.plot(epochs, [100 * epoch.accuracy for epoch in history], marker=".", label="training")
    accuracy.plot(
        epochs, [100 * epoch.test_accuracy for epoch in history], marker=".", label="test"
    )
    accuracy.set(xlabel="epoch", ylabel="accuracy in %", title="Accuracy")
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)


def save_confusion_matrix(evaluation: Evaluation, path: Path) -> None:
    """Plot the confusion matrix to a PNG file, each row in percent of its true class."""
    counts = np.maximum(evaluation.confusion.sum(axis=1, keepdims=True), 1)
    percent = 100 * evaluation.confusion / counts
    positions = range(len(evaluation.labels))
    side = 3 + 0.4 * min(len(positions), 60)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(positions, evaluation.labels, rotation=90)
    axes.set_yticks(positions, evaluation.labels)
    axes.set(xlabel="answered", ylabel="true", title="Confusion matrix, % of the true class")
    if len(positions) <= MAX_NUMBERED_CLASSES:
        for row, column in np.ndindex(percent.shape):
            value = percent[row, column]
            colour = "white" if value > 50 else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    figure.savefig(path, dpi=110)


def accuracy_table(evaluation: Evaluation) -> str:
    """Accuracy per class and overall, as a Markdown table that is readable on a terminal."""
    width = max(map(len, ("class", *evaluation.labels)))
    lines = [
        f"| {'class':<{width}} | pictures | accuracy |",
        f"|-{'-' * width}-|---------:|---------:|",
    ]
    rows = list(
        zip(evaluation.labels, evaluation.class_counts, evaluation.class_accuracy, strict=True)
    )
    for label, count, accuracy in [*rows, ("all", evaluation.count, evaluation.accuracy)]:
        share = "" if accuracy is None else f"{100 * accuracy:.2f}%"
        lines.append(f"| {label:<{width}} | {count:>8,} | {share:>8} |")
    return "\n".join(lines)


def confusion_table(evaluation: Evaluation) -> str:
    """Counts by true class (row) and predicted class (column, numbered like the rows)."""
    width = max(map(len, evaluation.labels))
    cell = max(5, len(str(evaluation.confusion.max())) + 1)
    lines = [" " * (width + 4) + "".join(f"{i:>{cell}}" for i in range(len(evaluation.labels)))]
    for index, (label, row) in enumerate(zip(evaluation.labels, evaluation.confusion, strict=True)):
        lines.append(f"{index:>3} {label:<{width}}" + "".join(f"{n:>{cell}}" for n in row))
    return "\n".join(lines)


def model_card(
    settings: ClassifierSettings,
    history: list[ClassifierEpoch],
    evaluation: Evaluation,
    *,
    dataset_name: str,
    train_count: int,
) -> str:
    """The model card in Markdown."""
    name = settings.name
    hours = sum(epoch.seconds for epoch in history) / 3600
    rows = {
        "network": f"ResNet{settings.depth}v2 (He et al. 2016, arXiv:1603.05027), "
        "32 x 32 pixels, uint8 RGB in, softmax out",
        "data": f"{dataset_name}: {train_count:,} training and {evaluation.count:,} test pictures, "
        f"{len(evaluation.labels)} classes",
        "started from": settings.started_from or "random weights",
        "epochs": str(len(history)),
        "batch size": str(settings.batch_size),
        "optimizer": "SGD, Nesterov momentum 0.9, learning rate one-cycle with peak "
        f"{settings.learning_rate}, weight decay {settings.weight_decay} (decoupled)",
        "label smoothing": str(settings.label_smoothing),
        "augmentation": "shifts up to 4 pixels, mirroring"
        + (f", cutout {settings.cutout} pixels" if settings.cutout else ""),
        "precision": settings.precision,
        "seed": str(settings.seed),
        "time": f"{hours:.2f} hours, {hours * 3600 / max(1, len(history)):.0f} s per epoch "
        f"on {_device()}",
        "versions": software_versions(),
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"""# {name}

Accuracy on the test pictures: **{100 * evaluation.accuracy:.2f}%**. They were used for
evaluation only, not for model selection.

## Accuracy

{accuracy_table(evaluation)}

![Confusion matrix]({name}-confusion.png)

## Training

| | |
|---|---|
{table}

![Training curve]({name}-curve.png)

The curve's test accuracy is measured after each epoch, on at most 2,000 of the test pictures.

## Limits

The model returns one of these classes for any picture. Pictures are resized to
32 x 32 pixels, so small objects in a large picture are lost.
"""


def _device() -> str:
    gpus = gpu_count()
    return f"{gpus} GPU" if gpus else f"the CPU ({platform.machine()})"
