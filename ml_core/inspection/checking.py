"""Choose between the input formats that a model may expect, by labelled pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ml_core.catalog.formats import Colours, InputFormat, ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.engines.conversion import StepProcess
from ml_core.errors import Phrase
from ml_core.inspection.answers import Understanding, listing
from ml_core.inspection.families import VALUES
from ml_core.inspection.labelled_sets import numbered_as, opened_set, pictures_by_class, spread
from ml_core.inspection.preparing import describe_values
from ml_core.inspection.trial_accuracy import classifier_accuracy, detector_accuracy
from ml_core.pictures.detection_sets import read_detection_set
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture
from ml_core.training.classification.data import DatasetError

# Evenly spread pictures: the first number to choose between formats, the second to measure the
# best one.
CLASSIFIER_PICTURES = (400, 2000)
DETECTOR_PICTURES = (40, 200)

T = TypeVar("T")
# Is told how many inferences are done, and of how many; what it raises stops the check.
Progress = Callable[[int, int], object]
# From a model, labelled pictures and input formats: the accuracy in [0, 1] with each format. The
# function is told how many inferences are done.
Measure = Callable[
    [StepProcess, ModelSpec, Sequence[T], Sequence[InputFormat], Callable[[int], object]],
    list[float],
]


@dataclass(frozen=True)
class Checker:
    """Labelled pictures at ``path``, a folder or a zip archive, within the limits of the site.

    Archives are unpacked in ``work_dir``, or in the system's folder for temporary files.
    """

    path: Path
    progress: Progress
    work_dir: Path | None = None

    def __call__(self, process: StepProcess, known: Understanding) -> None:
        """Choose the best input format, and class names. Raises ``ModelFileError``."""
        try:
            if known.spec.task == "classification":
                self._check_classifier(process, known)
            else:
                with opened_set(self.path, self.work_dir) as folder:
                    pictures = self._labelled(known, folder)
                    self._choose(process, known, pictures, detector_accuracy, DETECTOR_PICTURES)
        except (DatasetError, LabelError) as exc:
            raise ModelFileError(str(exc)) from exc

    def _check_classifier(self, process: StepProcess, known: Understanding) -> None:
        by_class = pictures_by_class(self.path)
        _take_labels(known, tuple(by_class), self.path.name, list(by_class))
        ids = {label: index for index, label in enumerate(known.spec.labels)}
        pairs = [(path, ids[label]) for label, paths in by_class.items() for path in paths]
        self._choose(process, known, pairs, classifier_accuracy, CLASSIFIER_PICTURES)

    def _labelled(self, known: Understanding, folder: Path) -> list[LabelledPicture]:
        """Pictures whose class ids are those of the model."""
        names, pictures = read_detection_set(folder, len(known.spec.labels))
        if names is None:
            return pictures
        labelled = np.unique(np.concatenate([picture.class_ids for picture in pictures]))
        _take_labels(known, names, self.path.name, [names[class_id] for class_id in labelled])
        return numbered_as(known.spec.labels, names, pictures)

    def _choose(
        self,
        process: StepProcess,
        known: Understanding,
        pictures: Sequence[T],
        measure: Measure[T],
        counts: tuple[int, int],
    ) -> None:
        few, many = (spread(pictures, count) for count in counts)
        formats = candidates(known)
        before = len(formats) * len(few) if len(formats) > 1 else 0
        total = before + len(many)
        self.progress(0, total)
        if before:
            accuracies = measure(
                process, known.spec, few, formats, lambda done: self.progress(done, total)
            )
            for given, accuracy in zip(formats, accuracies, strict=True):
                measured = self._measured(known.spec, accuracy, len(few))
                known.note("check", describe_values(given), measured)
            formats = [formats[int(np.argmax(accuracies))]]
        (accuracy,) = measure(
            process, known.spec, many, formats, lambda done: self.progress(before + done, total)
        )
        known.spec = replace(
            known.spec, input=formats[0], accuracy_percent=round(accuracy * 100, 1)
        )
        the_best = Phrase("the best on {set}", set=self.path.name)
        known.settle("pixels", describe_values(formats[0]), the_best)
        known.note("check", self._measured(known.spec, accuracy, len(many)), Phrase("measured"))

    def _measured(self, spec: ModelSpec, accuracy: float, count: int) -> Phrase:
        return Phrase(
            "{metric} {accuracy:.1%} on {count:,} pictures of {set}",
            metric=spec.metric,
            accuracy=accuracy,
            count=count,
            set=self.path.name,
        )


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


def _take_labels(
    known: Understanding, classes: tuple[str, ...], name: str, needed: Sequence[str]
) -> None:
    """Name the classes as the set ``name`` does, unless the file or the user names them.

    Raises ``ModelFileError`` if a ``needed`` one is not among the model's then.
    """
    labels = known.spec.labels
    if not known.has_labels and len(classes) == len(labels):
        known.spec = replace(known.spec, labels=classes)
        known.settle("labels", listing(classes), Phrase("from {set}", set=name))
        return
    unknown = sorted(set(needed) - set(labels))
    if unknown:
        raise ModelFileError(
            f"{name} has {len(classes)} classes, such as {unknown[0]!r}; the model has "
            f"{len(labels)}, such as {labels[0]!r}. Give its class names with --labels FILE."
        )
