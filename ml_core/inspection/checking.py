"""Choose between the input formats that a model may expect, by its accuracy on labelled pictures.

The pictures are those of a folder or a zip archive: in folders named by their classes, or for
detectors below ``images/`` with labels in YOLO's text format below ``labels/``, or anywhere with
COCO's JSON file.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ml_core.catalog.formats import Colours, InputFormat, ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.decoders.layout import Outputs
from ml_core.evaluation.accuracy import mean_average_precision
from ml_core.inspection.answers import Understanding
from ml_core.inspection.families import VALUES
from ml_core.inspection.preparing import describe_values
from ml_core.inspection.sources import unpack
from ml_core.inspection.trial import run_trial, trial_decoder
from ml_core.networks.yolo import Candidates
from ml_core.pictures.detection_sets import read_detection_set
from ml_core.pictures.images import PICTURE_SUFFIXES, ImageLimits
from ml_core.pictures.labelled_pictures import (
    LabelError,
    LabelledPicture,
    read_image,
)
from ml_core.pictures.resizing import Placement, resize_to_input
from ml_core.postprocessing import detections_from_candidates
from ml_core.training.classification.data import (
    DatasetError,
    PicturePath,
    find_test_pictures,
    read_picture,
)

# Evenly spread pictures: the first number to choose between formats, the second to measure the
# best one.
CLASSIFIER_PICTURES = (400, 2000)
DETECTOR_PICTURES = (40, 200)
# COCO's evaluation counts boxes of all scores; those below this change nothing.
SCORE_FLOOR, IOU_THRESHOLD, MAX_DETECTIONS = 0.001, 0.65, 300
MAX_FILES = 200_000

T = TypeVar("T")
Report = Callable[[str], object]
# From a model, input formats and a number of pictures: the accuracy in [0, 1] with each format on
# at most so many, and how many there were.
Measure = Callable[[ModelSpec, Sequence[InputFormat], int], tuple[list[float], int]]


@dataclass(frozen=True)
class Checker:
    """Labelled pictures at ``path``; ``report`` is told what is measured.

    ``max_bytes`` is the largest accepted set, ``limits`` apply to each picture.
    """

    path: Path
    limits: ImageLimits
    max_bytes: int
    report: Report

    def __call__(self, known: Understanding) -> None:
        """Choose the best input format, and class names. Raises ``ModelFileError``."""
        try:
            if known.spec.task == "classification":
                self._check_classifier(known)
            else:
                with opened_set(self.path, self.max_bytes) as folder:
                    pictures = self._labelled(known, folder)
                    measure = partial(detector_accuracy, pictures, self.limits)
                    self._choose(known, measure, DETECTOR_PICTURES)
        except (DatasetError, LabelError) as exc:
            raise ModelFileError(str(exc)) from exc

    def _check_classifier(self, known: Understanding) -> None:
        by_class = find_test_pictures(self.path)
        _take_labels(known, tuple(by_class), self.path.name, list(by_class))
        ids = {label: index for index, label in enumerate(known.spec.labels)}
        pairs = [(path, ids[label]) for label, paths in by_class.items() for path in paths]
        measure = partial(classifier_accuracy, pairs, self.limits)
        self._choose(known, measure, CLASSIFIER_PICTURES)

    def _labelled(self, known: Understanding, folder: Path) -> list[LabelledPicture]:
        """Pictures whose class ids are those of the model."""
        names, pictures = read_detection_set(folder, len(known.spec.labels))
        if names is None:
            return pictures
        labelled = np.unique(np.concatenate([picture.class_ids for picture in pictures]))
        _take_labels(known, names, self.path.name, [names[class_id] for class_id in labelled])
        return numbered_as(known.spec.labels, names, pictures)

    def _choose(self, known: Understanding, measure: Measure, counts: tuple[int, int]) -> None:
        few, many = counts
        formats = candidates(known)
        if len(formats) > 1:
            accuracies, _ = measure(known.spec, formats, few)
            for given, accuracy in zip(formats, accuracies, strict=True):
                self.report(f"check     {accuracy:6.1%} with {describe_values(given)}")
            formats = [formats[int(np.argmax(accuracies))]]
        (accuracy,), number = measure(known.spec, formats, many)
        text = f"{known.spec.metric} {accuracy:.1%} on {number:,} pictures of {self.path.name}"
        known.spec = replace(
            known.spec, input=formats[0], accuracy_percent=round(accuracy * 100, 1)
        )
        known.settle("pixels", describe_values(formats[0]), f"the best on {self.path.name}")
        known.note("check", text, "measured")


@contextmanager
def opened_set(path: Path, max_bytes: int, work_dir: Path | None = None) -> Iterator[Path]:
    """A folder of labelled pictures, unpacked for a while if ``path`` is a zip archive.

    It is unpacked in ``work_dir``, or the system's folder for temporary files. Raises
    ``ModelFileError``, also above ``max_bytes``.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(dir=work_dir) as folder:
        unpack(
            path,
            Path(folder),
            max_bytes=max_bytes,
            max_files=MAX_FILES,
            is_wanted=lambda name: name.lower().endswith((*PICTURE_SUFFIXES, ".txt", ".json")),
        )
        yield Path(folder)


def numbered_as(
    labels: Sequence[str], names: Sequence[str], pictures: Sequence[LabelledPicture]
) -> list[LabelledPicture]:
    """The pictures, whose class ids index ``names``, with the class ids of a model's ``labels``.

    Classes that the model does not know get -1: none of the pictures should have objects of them.
    """
    ids = {label: index for index, label in enumerate(labels)}
    table = np.array([ids.get(name, -1) for name in names])
    return [replace(picture, class_ids=table[picture.class_ids]) for picture in pictures]


def candidates(known: Understanding) -> list[InputFormat]:
    """The formats to choose between; the one that was understood comes first."""
    given, answers = known.spec.input, known.answers
    if not known.facts.image.is_real or known.spec.format == "darknet":
        return [given]
    is_grey = given.colours == "grey"
    colours: list[Colours] = [given.colours] if is_grey or answers.colours else ["RGB", "BGR"]
    values = [
        {"mean": (), "std": (), **value}
        for value in VALUES.values()
        if not (is_grey and "mean" in value)
    ]
    if answers.value_range:
        values = [{}]
    found = [given]
    for value in values:
        for colour in colours:
            candidate = replace(given, colours=colour, **value)
            if candidate not in found:
                found.append(candidate)
    return found


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of ``items``, evenly spread."""
    return list(items[:: max(1, math.ceil(len(items) / count))])


def _take_labels(
    known: Understanding, classes: tuple[str, ...], name: str, needed: Sequence[str]
) -> None:
    """Name the classes as the set ``name`` does, unless the file or the user names them.

    Raises ``ModelFileError`` if a ``needed`` one is not among the model's then.
    """
    labels = known.spec.labels
    if not known.has_labels and len(classes) == len(labels):
        known.spec = replace(known.spec, labels=classes)
        known.settle("labels", f"{len(classes)}: {', '.join(classes[:3])}, ...", f"from {name}")
        return
    unknown = sorted(set(needed) - set(labels))
    if unknown:
        raise ModelFileError(
            f"{name} has {len(classes)} classes, such as {unknown[0]!r}; the model has "
            f"{len(labels)}, such as {labels[0]!r}. Give its class names with --labels FILE."
        )


def classifier_accuracy(
    pairs: Sequence[tuple[PicturePath, int]],
    limits: ImageLimits,
    spec: ModelSpec,
    formats: Sequence[InputFormat],
    count: int,
) -> tuple[list[float], int]:
    """The share of pictures whose most probable class is right; see ``Measure``."""
    chosen = spread(pairs, count)
    images = (read_picture(path, limits) for path, _ in chosen)
    inputs = np.stack([resize_to_input(image, spec)[0] for image in images])
    truth = np.array([class_id for _, class_id in chosen])
    decode = trial_decoder(spec)
    accuracies = []
    for outputs in run_trial(spec, inputs, formats):
        probabilities = np.array([decode(of_picture) for of_picture in outputs])
        accuracies.append(float((probabilities.argmax(axis=1) == truth).mean()))
    return accuracies, len(chosen)


def detector_accuracy(
    pictures: Sequence[LabelledPicture],
    limits: ImageLimits,
    spec: ModelSpec,
    formats: Sequence[InputFormat],
    count: int,
) -> tuple[list[float], int]:
    """COCO's mAP@0.5; see ``Measure``. Raises ``LabelError`` if nothing is labelled."""
    chosen = spread(pictures, count)
    if not any(picture.class_ids.size for picture in chosen):
        raise LabelError(f"None of {len(chosen)} evenly chosen pictures has a labelled object.")
    resized = [resize_to_input(read_image(picture.path, limits), spec) for picture in chosen]
    inputs = np.stack([pixels for pixels, _ in resized])
    places = [placement for _, placement in resized]
    accuracies = [
        mean_average_precision(chosen, _detections(spec, outputs, chosen, places)).map_50
        for outputs in run_trial(spec, inputs, formats)
    ]
    return accuracies, len(chosen)


def _detections(
    spec: ModelSpec,
    outputs: Sequence[Outputs],
    pictures: Sequence[LabelledPicture],
    places: Sequence[Placement],
) -> list:
    decode = trial_decoder(spec, score_floor=SCORE_FLOOR)
    found = []
    for of_picture, picture, placement in zip(outputs, pictures, places, strict=True):
        prediction = decode(of_picture)
        assert isinstance(prediction, Candidates)
        found.append(
            detections_from_candidates(
                prediction,
                spec.labels,
                placement=placement,
                resolution_wh=picture.resolution_wh,
                score_threshold=SCORE_FLOOR,
                iou_threshold=IOU_THRESHOLD,
                max_detections=MAX_DETECTIONS,
            )
        )
    return found
