"""The shape of a network's input, from its file, its metadata or the user."""

from collections.abc import Sequence
from dataclasses import replace

from ml_core.catalog.formats import AxisOrder, Colours, InputFormat, ModelFileError
from ml_core.catalog.model_toml import MAX_SIDE
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.decoders.layout import Size
from ml_core.errors import Phrase, gettext_noop
from ml_core.inspection.answers import AS_YOU_SAY, SAYS_METADATA, Answers, Understanding
from ml_core.inspection.reading.facts import Facts

DETECTOR_SIDE, CLASSIFIER_SIDE = 640, 224
# Tasks of Ultralytics' metadata.
METADATA_TASKS: dict[str, Task] = {"detect": "detection", "classify": "classification"}


def understand_shape(spec: ModelSpec, facts: Facts, answers: Answers) -> Understanding:
    """The input's shape, by which a trial can run. Raises ``ModelFileError``."""
    known = Understanding(spec, facts, answers)
    task = facts.task
    if task and task not in METADATA_TASKS:
        raise ModelFileError(
            f"Its metadata says that its task is {task!r}; expected detection or classification."
        )
    sides = facts.image.shape[-3:]
    axes, channels = _axes(sides, spec.format)
    height, width = sides[:2] if axes == "NHWC" else sides[1:]
    input_wh, reason, option = _size(width, height, facts, answers)
    default: Colours = "grey" if channels == 1 else "RGB"
    known.spec = replace(
        spec,
        input_wh=input_wh,
        input=InputFormat(axes=axes, colours=answers.colours or default),
    )
    if channels != (1 if known.spec.input.colours == "grey" else 3):
        raise ModelFileError(f"The network takes {channels} channels, not {answers.colours}.")
    _check_numbers(answers, channels)
    pattern = gettext_noop("{width} x {height}, {axes}, 3 channels, {type}")
    if channels == 1:
        pattern = gettext_noop("{width} x {height}, {axes}, 1 channel, {type}")
    width, height = input_wh
    text = Phrase(pattern, width=width, height=height, axes=axes, type=facts.image.dtype)
    known.note("input", text, reason, option)
    return known


def _check_numbers(answers: Answers, channels: int) -> None:
    for option, numbers in (("--mean", answers.mean), ("--std", answers.std)):
        if numbers is not None and len(numbers) != channels:
            raise ModelFileError(
                f"{option} takes one number per channel, {channels}; received {len(numbers)}."
            )
    if answers.std and 0 in answers.std:
        raise ModelFileError("--std must not contain 0: pixels are divided by it.")


def _axes(sides: Sequence[int | None], format: str) -> tuple[AxisOrder, int]:
    first, last = sides[0], sides[-1]
    if last in (1, 3) and first not in (1, 3):
        return "NHWC", last or 3
    if first in (1, 3):
        return "NCHW", first or 3
    if first is None and last is None:
        return ("NCHW" if format in ("onnx", "openvino") else "NHWC"), 3
    shape = " x ".join("?" if side is None else str(side) for side in sides)
    raise ModelFileError(f"Expected an input with 1 or 3 channels, found {shape}.")


def _size(
    width: int | None, height: int | None, facts: Facts, answers: Answers
) -> tuple[Size, Phrase, str]:
    """Width and height, the reason, and the option if it is a guess."""
    if width and height:
        if answers.input_wh and answers.input_wh != (width, height):
            raise ModelFileError(f"The file fixes its input to {width} x {height} pixels.")
        size, reason, option = (width, height), Phrase("says the file"), ""
    elif answers.input_wh:
        size, reason, option = answers.input_wh, AS_YOU_SAY, ""
    elif facts.input_wh:
        size, reason, option = facts.input_wh, SAYS_METADATA, ""
    else:
        has_boxes = any(len(output.shape) != 2 for output in facts.outputs)
        side = DETECTOR_SIDE if has_boxes else CLASSIFIER_SIDE
        size = (width or side, height or side)
        reason, option = Phrase("usual; the file takes any size"), "--size"
    if not all(0 < side <= MAX_SIDE for side in size):
        raise ModelFileError(f"Expected an input of 1 to {MAX_SIDE} pixels, found {size}.")
    return size, reason, option
