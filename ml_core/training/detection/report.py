"""Reports of a detector's training: the loss curve and the model card."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ml_core.evaluation.accuracy import Accuracy, accuracy_table
from ml_core.training.detection.state import DetectorEpoch, DetectorState


def save_detector_curve(history: Sequence[DetectorEpoch], path: Path) -> None:
    """Plot the loss by epoch to a PNG file."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(history) + 1), [epoch.loss for epoch in history], marker=".")
    axes.set(xlabel="epoch", ylabel="loss", title="Training loss", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=110)


def detector_card(
    state: DetectorState, accuracy: Accuracy | None, evaluated: str, parameters: int
) -> str:
    """The model card in Markdown; ``evaluated`` names the pictures that ``accuracy`` refers to."""
    settings, history = state.settings, state.history
    seconds = sum(epoch.seconds for epoch in history)
    rows = {
        "network": f"{settings.name}.cfg, {parameters:,} numbers, "
        f"{settings.side} x {settings.side} pixels, pictures are stretched",
        "data": f"{state.picture_count:,} pictures with {state.object_count:,} labelled objects, "
        f"{len(state.labels)} classes",
        "started from": settings.started_from or "random weights",
        "epochs": f"{len(history)} of {settings.epochs}",
        "batch size": str(settings.batch_size),
        "optimizer": "AdamW, learning rate one-cycle with peak "
        f"{settings.learning_rate}, moving average of the weights",
        "augmentation": "mosaic, size and place, mirroring, colour",
        "precision": settings.precision,
        "seed": str(settings.seed),
        "time": f"{seconds / 3600:.2f} hours, {seconds / max(1, len(history)):.0f} s per epoch",
        "versions": state.versions,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"""# {settings.name}

{_accuracy_text(state, accuracy, evaluated)}

## Training

| | |
|---|---|
{table}

![Training curve]({settings.name}-curve.png)
"""


def _accuracy_text(state: DetectorState, accuracy: Accuracy | None, evaluated: str) -> str:
    if accuracy is None:
        return (
            "Its accuracy was not evaluated. Run `python manage.py evaluate_detector` on labelled "
            "pictures that were not used for training."
        )
    return (
        f"mAP@0.5 on {evaluated}: **{accuracy.map_50:.3f}** (mAP@0.5:0.95 "
        f"{accuracy.map_50_95:.3f}).\n\n## Accuracy\n\n{accuracy_table(accuracy, state.labels)}"
    )
