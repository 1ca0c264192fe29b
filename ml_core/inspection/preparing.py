"""How pictures are prepared for a network: range, colours and resizing."""

from dataclasses import replace

from ml_core.catalog.formats import InputFormat
from ml_core.catalog.specs import ModelSpec
from ml_core.errors import Phrase, gettext_noop
from ml_core.inspection.answers import AS_YOU_SAY, Understanding
from ml_core.inspection.families import DETECTORS, SMALL_SIDE, Preparation


def prepare(known: Understanding, usual: Preparation) -> None:
    """Range, colours and resizing, by the user's answers or as usual."""
    answers, spec = known.answers, known.spec
    channels = 1 if spec.input.colours == "grey" else 3
    mean, std = (
        (value * channels if len(value) == 1 else value) for value in (usual.mean, usual.std)
    )
    has_answer = answers.value_range is not None
    if has_answer or channels == 1:
        # A mean of three colours does not fit, and belongs to the range that it was made for.
        mean, std = (
            (value if len(value) == channels and not has_answer else ()) for value in (mean, std)
        )
    resizing = usual.resizing
    if spec.task == "classification" and max(spec.input_wh) <= SMALL_SIDE:
        resizing = "shrink"
    given = InputFormat(
        axes=spec.input.axes,
        colours=spec.input.colours if channels == 1 else answers.colours or usual.colours,
        value_range=answers.value_range or usual.value_range,
        mean=mean if answers.mean is None else answers.mean,
        std=std if answers.std is None else answers.std,
        is_centred=usual.is_centred if answers.is_centred is None else answers.is_centred,
        pad_value=usual.pad_value,
    )
    known.spec = replace(spec, input=given, resizing=answers.resizing or resizing)
    if not known.facts.image.is_real:
        unchanged = Phrase("{colours}, unchanged", colours=given.colours)
        known.note("pixels", unchanged, Phrase("the input takes integers"))
    elif has_answer:
        known.note("pixels", describe_values(given), AS_YOU_SAY)
    else:
        option = "--check, or --range and --colours" if usual.is_guess else ""
        known.note("pixels", describe_values(given), usual.reason, option)
    _note_resizing(known)


def _note_resizing(known: Understanding) -> None:
    spec = known.spec
    reason = Phrase("usual for this size")
    if known.answers.resizing:
        reason = AS_YOU_SAY
    elif spec.task == "detection":
        reason = DETECTORS[spec.family].reason
    known.note("resizing", describe_resizing(spec), reason)


def describe_resizing(spec: ModelSpec) -> Phrase:
    """How pictures are placed in the input, in words."""
    if spec.resizing == "stretch":
        return Phrase("stretched")
    if spec.resizing == "shrink":
        return Phrase("stretched, all pixels averaged (shrink)")
    grey = spec.input.pad_value
    if spec.input.is_centred:
        return Phrase("letterbox, centred, on grey {grey}", grey=grey)
    return Phrase("letterbox, at the top left, on grey {grey}", grey=grey)


def describe_values(given: InputFormat) -> Phrase:
    """The values that a network gets, in words."""
    pattern = gettext_noop("{colours}, {low:g} to {high:g}")
    if given.mean and given.std:
        pattern = gettext_noop("{colours}, {low:g} to {high:g}, minus {mean}, divided by {std}")
    elif given.mean:
        pattern = gettext_noop("{colours}, {low:g} to {high:g}, minus {mean}")
    elif given.std:
        pattern = gettext_noop("{colours}, {low:g} to {high:g}, divided by {std}")
    low, high = given.value_range
    mean, std = (
        ", ".join(f"{number:g}" for number in numbers) for numbers in (given.mean, given.std)
    )
    return Phrase(pattern, colours=given.colours, low=low, high=high, mean=mean, std=std)
