"""How accurate a detector is on labelled pictures: COCO's mean average precision."""

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

# Of all areas, and with at most 100 boxes in each picture, as COCO counts.
ALL_AREAS, MOST_BOXES = 0, -1
RECALLS = np.linspace(0, 1, 101)
RESAMPLES = 1000


@dataclass(frozen=True)
class Accuracy:
    """Values in [0, 1]. ``ap_50`` is by class id, for the classes that are labelled.

    ``precision_50`` is the (101,) mean precision at recalls from 0 to 1, at an overlap of 0.5.
    """

    map_50: float
    map_50_95: float
    ap_50: dict[int, float]
    objects: dict[int, int]
    precision_50: np.ndarray


def mean_average_precision(
    pictures: Sequence[LabelledPicture], found: Sequence[Sequence[Detection]]
) -> Accuracy:
    """Compare what was found in each picture with its labels, by COCO's own program.

    A class without any labelled object does not count. Detections are best given from low scores
    on: what is left out can only lower the result.
    """
    class_ids, counts = np.unique(
        np.concatenate([picture.class_ids for picture in pictures]), return_counts=True
    )
    if not class_ids.size:
        raise ValueError("Expected at least one labelled object, received none.")
    evaluation = _evaluate(pictures, found, class_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    # By overlap, recall, class, area and number of boxes; -1 where a class has no objects.
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MOST_BOXES]
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
    """The 95% interval of what mAP@0.5 loses from ``before`` to ``after``, by a paired bootstrap.

    Other pictures of the same kind would give other values: drawing as many from these, again and
    again and with repetition, shows how much that matters. The same pictures give the same answer.
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
    """mAP@0.5 of B resamples as (B,); ``counts`` (B, N) tells how often each has each picture.

    What matches what in a picture is found out once: only precision and recall change.
    """
    class_ids = np.unique(np.concatenate([picture.class_ids for picture in pictures]))
    evaluation = _evaluate(pictures, found, class_ids)
    areas = len(evaluation.params.areaRng)
    matches = np.array(evaluation.evalImgs, object).reshape(len(class_ids), areas, len(pictures))
    # In parts, as each takes memory for every box.
    parts = np.array_split(counts, max(1, len(counts) // 50))
    by_class = [
        np.concatenate([_resampled_ap_50(of_class, part) for part in parts])
        for of_class in matches[:, ALL_AREAS]
    ]
    # A class whose objects are in none of the pictures drawn does not count.
    return np.nanmean(by_class, axis=0)


def _resampled_ap_50(of_pictures: Sequence[dict | None], counts: np.ndarray) -> np.ndarray:
    """(B,) average precisions of one class; NaN where no picture with an object was drawn."""
    seen = [(index, matched) for index, matched in enumerate(of_pictures) if matched]
    objects = counts @ np.array(
        [len(matched["gtIds"]) if matched else 0 for matched in of_pictures]
    )
    places = np.concatenate([[index] * len(matched["dtIds"]) for index, matched in seen])
    scores = np.concatenate([matched["dtScores"] for _, matched in seen])
    hits = np.concatenate([matched["dtMatches"][0] > 0 for _, matched in seen])
    order = np.argsort(-scores, kind="stable")
    weights = counts[:, places[order].astype(int)]
    right, all_boxes = (weights * hits[order]).cumsum(axis=1), weights.cumsum(axis=1)
    precision = right / np.maximum(all_boxes, 1)
    # The best precision at this recall or more, and none beyond the last.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    values = np.full(len(counts), np.nan)
    for row in np.flatnonzero(objects):
        reached = np.searchsorted(right[row] / objects[row], RECALLS, side="left")
        values[row] = precision[row, reached].mean()
    return values


def _evaluate(
    pictures: Sequence[LabelledPicture],
    found: Sequence[Sequence[Detection]],
    class_ids: np.ndarray,
) -> COCOeval:
    """COCO's program after it has matched boxes with objects in each picture."""
    # It prints as it works.
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
                    # An id of 0 would stand for no match.
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
    return truth.loadRes(np.array(rows).reshape(-1, 7)) if rows else _nothing(truth)


def _nothing(truth: COCO) -> COCO:
    """No detections at all, which ``loadRes`` does not take."""
    nothing = COCO()
    nothing.dataset = {**truth.dataset, "annotations": []}
    nothing.createIndex()
    return nothing


def accuracy_table(accuracy: Accuracy, labels: Sequence[str]) -> str:
    """The average precision of each class and of all, as a Markdown table."""
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
    """Draw precision against recall at an overlap of 0.5, the mean of all classes, as a picture."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.linspace(0, 1, 101), accuracy.precision_50)
    axes.set(xlabel="recall", ylabel="precision", title=f"mAP@0.5 = {accuracy.map_50:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
