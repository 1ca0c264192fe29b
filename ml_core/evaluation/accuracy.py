"""COCO's mean average precision of a detector on labelled pictures."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ml_core.pictures.labelled_pictures import LabelledPicture
from ml_core.results import Detection

# Indices into COCOeval's results: objects of all sizes, at most 100 boxes per picture.
ALL_AREAS, MAX_BOXES = 0, -1
RECALLS = np.linspace(0, 1, 101)
RESAMPLES = 1000


@dataclass(frozen=True)
class Accuracy:
    """Average precisions in [0, 1]; ``ap_50`` and ``objects`` are by class id, if labelled.

    ``precision_50`` is the (101,) mean precision at recalls from 0 to 1, at an IoU of 0.5.
    """

    map_50: float
    map_50_95: float
    ap_50: dict[int, float]
    objects: dict[int, int]
    precision_50: np.ndarray


def mean_average_precision(
    pictures: Sequence[LabelledPicture], found: Sequence[Sequence[Detection]]
) -> Accuracy:
    """Evaluate the detections ``found`` in each picture against its labels, with pycocotools.

    Classes without labelled objects are ignored. Detections should include low scores: leaving
    them out can only lower the result.
    """
    class_ids, counts = np.unique(
        np.concatenate([picture.class_ids for picture in pictures]), return_counts=True
    )
    if not class_ids.size:
        raise ValueError("Expected at least one labelled object, received none.")
    evaluation = _evaluate(pictures, found, class_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    # The axes are IoU, recall, class, area and maximal number of boxes.
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MAX_BOXES]
    by_class = precision[0].mean(axis=0)
    return Accuracy(
        map_50=float(by_class.mean()),
        map_50_95=float(precision.mean()),
        ap_50=dict(zip(class_ids.tolist(), by_class.tolist(), strict=True)),
        objects=dict(zip(class_ids.tolist(), counts.tolist(), strict=True)),
        precision_50=precision[0].mean(axis=1),
    )


def loss_interval(
    pictures: Sequence[LabelledPicture],
    before: Sequence[Sequence[Detection]],
    after: Sequence[Sequence[Detection]],
) -> tuple[float, float]:
    """The 95% confidence interval of the loss of mAP@0.5, by a paired bootstrap over the pictures.

    Deterministic: the random resamples have a fixed seed.
    """
    rng = np.random.default_rng(0)
    share = np.full(len(pictures), 1 / len(pictures))
    counts = rng.multinomial(len(pictures), share, size=RESAMPLES)
    losses = [resampled_map_50(pictures, found, counts) for found in (before, after)]
    low, high = np.nanpercentile(losses[0] - losses[1], [2.5, 97.5])
    return float(low), float(high)


def resampled_map_50(
    pictures: Sequence[LabelledPicture],
    found: Sequence[Sequence[Detection]],
    counts: np.ndarray,
) -> np.ndarray:
    """mAP@0.5 of B resamples as (B,); ``counts`` (B, N) are how often each contains each picture.

    Boxes are matched with objects only once; precision and recall are computed per resample.
    """
    class_ids = np.unique(np.concatenate([picture.class_ids for picture in pictures]))
    evaluation = _evaluate(pictures, found, class_ids)
    areas = len(evaluation.params.areaRng)
    matches = np.array(evaluation.evalImgs, object).reshape(len(class_ids), areas, len(pictures))
    # In parts, because each resample needs memory for every box.
    parts = np.array_split(counts, max(1, len(counts) // 50))
    by_class = [
        np.concatenate([_resampled_ap_50(of_class, part) for part in parts])
        for of_class in matches[:, ALL_AREAS]
    ]
    # Classes without objects in a resample are ignored.
    return np.nanmean(by_class, axis=0)


def _resampled_ap_50(of_pictures: Sequence[dict | None], counts: np.ndarray) -> np.ndarray:
    """(B,) average precisions of one class; NaN for resamples without any of its objects."""
    seen = [(index, matched) for index, matched in enumerate(of_pictures) if matched]
    objects = counts @ np.array(
        [len(matched["gtIds"]) if matched else 0 for matched in of_pictures]
    )
    picture_ids = np.concatenate([[index] * len(matched["dtIds"]) for index, matched in seen])
    scores = np.concatenate([matched["dtScores"] for _, matched in seen])
    hits = np.concatenate([matched["dtMatches"][0] > 0 for _, matched in seen])
    order = np.argsort(-scores, kind="stable")
    weights = counts[:, picture_ids[order].astype(int)]
    true_positives = (weights * hits[order]).cumsum(axis=1)
    precision = true_positives / np.maximum(weights.cumsum(axis=1), 1)
    # As COCO: the best precision at this recall or above, 0 beyond the highest recall.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    values = np.full(len(counts), np.nan)
    for row in np.flatnonzero(objects):
        recall = true_positives[row] / objects[row]
        indices = np.searchsorted(recall, RECALLS, side="left")
        values[row] = precision[row, indices].mean()
    return values


def _evaluate(
    pictures: Sequence[LabelledPicture],
    found: Sequence[Sequence[Detection]],
    class_ids: np.ndarray,
) -> COCOeval:
    """COCOeval after matching boxes with objects in each picture."""
    # It prints to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = _as_coco(pictures, class_ids)  # type: ignore[assignment]
        truth.createIndex()
        evaluation = COCOeval(truth, _results(truth, found), "bbox")
        evaluation.evaluate()
    return evaluation


def _as_coco(pictures: Sequence[LabelledPicture], class_ids: np.ndarray) -> dict[str, list[dict]]:
    annotations: list[dict] = []
    for image_id, picture in enumerate(pictures):
        for (x_min, y_min, x_max, y_max), class_id in zip(
            picture.boxes_xyxy.tolist(), picture.class_ids.tolist(), strict=True
        ):
            width, height = x_max - x_min, y_max - y_min
            annotations.append(
                {
                    # COCOeval uses 0 for "no match".
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": [x_min, y_min, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return {
        "images": [{"id": image_id} for image_id in range(len(pictures))],
        "categories": [{"id": class_id} for class_id in class_ids.tolist()],
        "annotations": annotations,
    }


def _results(truth: COCO, found: Sequence[Sequence[Detection]]) -> COCO:
    rows = [
        [image_id, x_min, y_min, x_max - x_min, y_max - y_min, detection.score, detection.class_id]
        for image_id, detections in enumerate(found)
        for detection in detections
        for x_min, y_min, x_max, y_max in [detection.box]
    ]
    return truth.loadRes(np.array(rows).reshape(-1, 7)) if rows else _empty_results(truth)


def _empty_results(truth: COCO) -> COCO:
    # loadRes fails without any detection.
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    empty.createIndex()
    return empty


def accuracy_table(accuracy: Accuracy, labels: Sequence[str]) -> str:
    """The average precision of each class and their mean, as a Markdown table."""
    rows = [(labels[i], accuracy.objects[i], ap) for i, ap in accuracy.ap_50.items()]
    rows.append(("all", sum(accuracy.objects.values()), accuracy.map_50))
    width = max(len("class"), *(len(name) for name, _, _ in rows))
    lines = [
        f"| {'class':<{width}} | objects | AP@0.5 |",
        f"|-{'-' * width}-|--------:|-------:|",
        *(f"| {name:<{width}} | {count:>7,} | {ap:>6.3f} |" for name, count, ap in rows),
    ]
    return "\n".join(lines)


def save_precision_recall(accuracy: Accuracy, path: Path) -> None:
    """Plot the precision-recall curve at an IoU of 0.5, averaged over classes, to a file."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.linspace(0, 1, 101), accuracy.precision_50)
    axes.set(xlabel="recall", ylabel="precision", title=f"mAP@0.5 = {accuracy.map_50:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
