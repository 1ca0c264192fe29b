"""The task, the output layout and the labels of a model, from a trial and what its file says."""

from dataclasses import replace

import numpy as np

from ml_core.catalog.formats import Activation, ModelFileError, OutputFormat
from ml_core.decoders import LAYOUTS, describe_outputs, recognise_layout
from ml_core.decoders.layout import Outputs, Recognised
from ml_core.errors import Phrase
from ml_core.inspection.answers import AS_YOU_SAY, SAYS_METADATA, Understanding, listing
from ml_core.inspection.families import classifier_preparation, detector_preparation
from ml_core.inspection.input_shape import METADATA_TASKS
from ml_core.inspection.preparing import prepare
from ml_core.labels import COCO_LABELS

NAMES_NONE = Phrase("the file names none")


def understand_outputs(known: Understanding, outputs: Outputs) -> None:
    """Complete the description by the outputs of a trial. Raises ``ModelFileError``."""
    labels = _given_labels(known)
    found = _recognise(known, outputs, labels)
    if found:
        _describe_detector(known, found, labels)
    else:
        _describe_classifier(known, outputs, labels)


def _given_labels(known: Understanding) -> tuple[str, ...] | None:
    """The labels that the user or the file gives."""
    if known.answers.labels:
        known.note("labels", listing(known.answers.labels), Phrase("from your file"))
        return known.answers.labels
    if not known.facts.labels:
        return None
    known.note("labels", listing(known.facts.labels), SAYS_METADATA)
    return known.facts.labels


def _recognise(
    known: Understanding, outputs: Outputs, labels: tuple[str, ...] | None
) -> Recognised | None:
    """The layout of a detector's outputs; None for a classifier."""
    task = known.answers.task or METADATA_TASKS.get(known.facts.task)
    if task == "classification":
        if not _are_classes(outputs):
            raise ModelFileError(
                f"Expected a classifier with one output (1, N); its outputs are "
                f"{describe_outputs(outputs)}."
            )
        return None
    layout, size = known.answers.layout, known.spec.input_wh
    found = recognise_layout(outputs, size, len(labels) if labels else None, layout)
    other = None if found else recognise_layout(outputs, size, None, layout)
    if other:
        raise ModelFileError(
            f"The network has {other.class_count} classes, and there are {len(labels or ())} "
            "labels. Give its class names with --labels FILE."
        )
    if not found and (task == "detection" or not _are_classes(outputs)):
        known_layouts = "; ".join(f"{name}: {LAYOUTS[name].shapes}" for name in LAYOUTS)
        raise ModelFileError(
            f"Its outputs are of no known layout: {describe_outputs(outputs)}. Known are: classes "
            f"(1, N); {known_layouts}."
        )
    return found


def _are_classes(outputs: Outputs) -> bool:
    """Whether there is one output, a vector."""
    shapes = [output.shape for output in outputs.values()]
    return len(shapes) == 1 and sum(side != 1 for side in shapes[0]) <= 1


def _describe_detector(
    known: Understanding, found: Recognised, labels: tuple[str, ...] | None
) -> None:
    activation = known.answers.activation or found.output.activation
    layout = found.output.layout
    by_layout = Phrase("the outputs have the layout {layout}", layout=layout)
    known.note("task", Phrase("detection"), by_layout)
    known.note("output", Phrase(layout), found.reason)
    if not labels:
        count = found.class_count or len(COCO_LABELS)
        is_coco = count == len(COCO_LABELS)
        labels = COCO_LABELS if is_coco else _numbered(count)
        known.note(
            "labels",
            listing(labels),
            Phrase("the 80 classes of COCO") if is_coco else NAMES_NONE,
            "" if is_coco and found.class_count else "--labels",
        )
    known.spec = replace(
        known.spec,
        task="detection",
        family=found.family,
        output=replace(found.output, activation=activation),
        labels=labels,
    )
    prepare(known, detector_preparation(known.facts, found.family))


def _describe_classifier(
    known: Understanding, outputs: Outputs, labels: tuple[str, ...] | None
) -> None:
    ((name, output),) = outputs.items()
    count = max(2, output.size)
    values = Phrase("one output, {name}, with {count:,} values", name=name, count=output.size)
    known.note("task", Phrase("classification"), values)
    first_class_id = 0
    if not labels:
        labels = _numbered(count)
        known.note("labels", listing(labels), NAMES_NONE, "--labels")
    elif len(labels) == count - 1:
        first_class_id = 1
        known.note(
            "output",
            Phrase("the first class is the background"),
            Phrase("there is one label less"),
        )
    elif len(labels) != count:
        raise ModelFileError(
            f"The network has {count:,} classes, and there are {len(labels):,} labels. Give its "
            "class names with --labels FILE."
        )
    activation, reason = _activation(known, name, output)
    text = Phrase("activation to apply: {activation}", activation=activation)
    known.note("output", text, reason)
    known.spec = replace(
        known.spec,
        task="classification",
        family=known.facts.backbone or known.spec.format,
        output=OutputFormat("classes", (name,), activation, first_class_id=first_class_id),
        labels=labels,
    )
    prepare(known, classifier_preparation(known.facts, known.spec.format))


def _activation(known: Understanding, name: str, output: np.ndarray) -> tuple[Activation, Phrase]:
    if known.answers.activation:
        return known.answers.activation, AS_YOU_SAY
    operation = next((o.operation for o in known.facts.outputs if o.name == name), "")
    if operation in ("Softmax", "Sigmoid"):
        ending = Phrase("the network ends with {operation}", operation=operation.lower())
        return "none", ending
    are_probabilities = output.min() >= 0 and abs(float(output.sum()) - 1) < 0.01
    if output.size > 1 and are_probabilities:
        return "none", Phrase("the values of a trial are probabilities")
    reason = Phrase(
        "the network ends without an activation, and a trial's values reach {highest}",
        highest=f"{output.max():.1f}",
    )
    return ("sigmoid" if output.size == 1 else "softmax"), reason


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))
