"""How pictures are prepared for a network: range, colours and resizing."""

from dataclasses import replace

from ml_core.catalog.formats import InputFormat
from ml_core.inspection.answers import Understanding
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
        known.note("pixels", f"{given.colours}, unchanged", "the input takes integers")
    elif has_answer:
        known.note("pixels", describe_values(given), "as you say")
    else:
        option = "--check, or --range and --colours" if usual.is_guess else ""
        known.note("pixels", describe_values(given), usual.reason, option)
    _note_resizing(known)


def _note_resizing(known: Understanding) -> None:
    spec = known.spec
    text: str = spec.resizing
    if text == "letterbox":
        place = "centred" if spec.input.is_centred else "at the top left"
        text = f"letterbox, {place}, on grey {spec.input.pad_value}"
    if known.answers.resizing:
        reason = "as you say"
    elif spec.task == "detection":
        reason = DETECTORS[spec.family].reason
    else:
        reason = "usual for this size; --resizing changes it"
    known.note("resizing", text, reason)


def describe_values(given: InputFormat) -> str:
    """The values that a network gets, in words."""
    low, high = given.value_range
    text = f"{given.colours}, {low:g} to {high:g}"
    if given.mean:
        text += f", minus {', '.join(f'{value:g}' for value in given.mean)}"
    if given.std:
        text += f", divided by {', '.join(f'{value:g}' for value in given.std)}"
    return text
