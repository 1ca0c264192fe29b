"""``model.toml``, the description of a model whose files do not say all that is needed.

``add_model`` writes it into ``MODEL_DIR/NAME/``; people may correct it, or write it by hand.
"""

import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from ml_core.catalog.formats import (
    Activation,
    AxisOrder,
    BoxUnit,
    Colours,
    Format,
    InputFormat,
    ModelFileError,
    OutputFormat,
)
from ml_core.catalog.specs import ModelFile, ModelSpec, Resizing, Task
from ml_core.catalog.toml_table import Table
from ml_core.decoders import LAYOUTS
from ml_core.labels import COCO_LABELS, read_names

FILE_NAME = "model.toml"
LABELS_FILE = "labels.txt"
MAX_BYTES = 10**7
MAX_SIDE = 4096
MAX_CLASSES = 100_000
# Class names are stored in columns of this width.
MAX_LABEL_CHARACTERS = 100
POSITIONS = ("centre", "top-left")
# The others need no model.toml.
FORMATS = [name for name in get_args(Format) if name not in ("resnet v2", "keras application")]

TEMPLATE = """\
# How this site uses the model. Correct what is wrong; the site then loads the model again.

task = {task}  # "detection" or "classification"
format = {format}  # "darknet", "keras", "savedmodel", "onnx", "openvino" or "tflite"
files = {files}
labels = {labels}  # a file with one class name per line, or a list of names
licence = {licence}
origin = {origin}  # where the model comes from
{accuracy}
[input]
size = {size}  # width and height in pixels
resizing = {resizing}  # "letterbox" keeps the aspect ratio; "stretch"; "shrink" averages all pixels
position = {position}  # of a letterboxed picture: "centre" or "top-left"
pad_value = {pad_value}  # the grey around a letterboxed picture, 0 to 255
axes = {axes}  # "NHWC" or "NCHW"
colours = {colours}  # "RGB", "BGR" or "grey"
range = {range}  # what pixels of 0 and 255 become; integer inputs take pixels as they are
mean = {mean}  # is then subtracted, one number per channel
std = {std}  # is then divided by
"""
OUTPUT_TEMPLATE = """
[output]
layout = {layout}  # "classes", or a layout of detectors; docs/your-model.md lists them
tensors = {tensors}  # names of the outputs, in the order of the layout
activation = {activation}  # to apply to class scores: "none", "softmax" or "sigmoid"
boxes = {boxes}  # in "pixels" of the input, or "relative" to it
first_class_id = {first_class_id}  # the number of the first label: 1 if 0 is the background
sparse_coco_ids = {sparse_coco_ids}  # whether class numbers are COCO's 91 ids, with gaps
"""


def read_model_toml(folder: Path) -> ModelSpec:
    """The model that ``folder/model.toml`` describes. Raises ``ModelFileError`` or ``OSError``."""
    return described_model(read_description(folder), folder)


def read_description(folder: Path) -> dict[str, Any]:
    """What ``folder/model.toml`` holds. Raises ``ModelFileError`` if that is no TOML."""
    path = folder / FILE_NAME
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{FILE_NAME} is larger than {MAX_BYTES:,} bytes.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelFileError(f"{FILE_NAME} is not valid TOML: {exc}") from exc


def described_model(values: Mapping[str, Any], folder: Path) -> ModelSpec:
    """The model in ``folder`` that the ``values`` of a ``model.toml`` describe.

    Raises ``ModelFileError`` for the first value that is missing or wrong.
    """
    table = Table(values, FILE_NAME)
    task: Task = table.choice("task", get_args(Task))
    format: Format = table.choice("format", FORMATS)
    given = table.table("input")
    spec = ModelSpec(
        name=folder.name,
        task=task,
        family=format,
        directory=folder,
        format=format,
        files=tuple(ModelFile(_inside(name)) for name in table.texts("files")),
        input_wh=_input_size(given),
        resizing=given.choice("resizing", get_args(Resizing), "stretch"),
        input=_input_format(given),
        output=None if format == "darknet" else _output_format(table.table("output"), task),
        labels=_labels(table, folder),
        accuracy_percent=table.number("accuracy_percent", None),
        licence=table.text("licence", "") or "your own",
        origin=_web_address(table.text("origin", "")),
    )
    table.refuse_unknown()
    if not spec.files:
        raise ModelFileError(f"{FILE_NAME}: files names no file.")
    return spec


def replace_description(values: Mapping[str, Any], folder: Path) -> ModelSpec:
    """Check ``values`` and write them as the new ``folder/model.toml``.

    Raises ``ModelFileError``; then the former file stays.
    """
    spec = described_model(values, folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
        try:
            write_model_toml(spec, Path(new))
        except UnicodeEncodeError as exc:
            raise ModelFileError(
                f"{FILE_NAME} must not contain {exc.object[exc.start]!r}."
            ) from exc
        if read_model_toml(Path(new)).labels != spec.labels:
            raise ModelFileError("Expected class names that are not empty and have one line each.")
        # The labels first: the site reads both again when the description is new.
        for name in (LABELS_FILE, FILE_NAME):
            Path(new, name).replace(folder / name)
    return spec


def write_model_toml(spec: ModelSpec, folder: Path) -> None:
    """Write ``model.toml`` and ``labels.txt`` for ``spec`` into ``folder``."""
    folder.joinpath(FILE_NAME).write_text(_written(spec), encoding="utf-8")
    folder.joinpath(LABELS_FILE).write_text("\n".join(spec.labels) + "\n", encoding="utf-8")


def description_of(spec: ModelSpec) -> dict[str, Any]:
    """What ``write_model_toml`` would write, with a list of class names."""
    return {**tomllib.loads(_written(spec)), "labels": list(spec.labels)}


def _written(spec: ModelSpec) -> str:
    accuracy = spec.accuracy_percent
    text = TEMPLATE.format(
        task=_toml(spec.task),
        format=_toml(spec.format),
        files=_toml([file.name for file in spec.files]),
        labels=_toml(LABELS_FILE),
        licence=_toml(spec.licence),
        origin=_toml(spec.origin),
        accuracy="" if accuracy is None else f"accuracy_percent = {accuracy:.1f}  # measured\n",
        size=_toml(spec.input_wh),
        resizing=_toml(spec.resizing),
        position=_toml(POSITIONS[not spec.input.is_centred]),
        pad_value=spec.input.pad_value,
        axes=_toml(spec.input.axes),
        colours=_toml(spec.input.colours),
        range=_toml(spec.input.value_range),
        mean=_toml(spec.input.mean),
        std=_toml(spec.input.std),
    )
    if spec.output:
        text += OUTPUT_TEMPLATE.format(
            layout=_toml(spec.output.layout),
            tensors=_toml(spec.output.tensors),
            activation=_toml(spec.output.activation),
            boxes=_toml(spec.output.box_unit),
            first_class_id=spec.output.first_class_id,
            sparse_coco_ids=_toml(spec.output.is_sparse_coco),
        )
    return text


def shortened(names: Iterable[str]) -> tuple[str, ...]:
    """Class names of at most ``MAX_LABEL_CHARACTERS``. Raises ``ModelFileError`` if none."""
    labels = tuple(
        name if len(name) <= MAX_LABEL_CHARACTERS else f"{name[: MAX_LABEL_CHARACTERS - 1]}…"
        for name in names
    )
    if not 1 <= len(labels) <= MAX_CLASSES:
        raise ModelFileError(
            f"Expected 1 to {MAX_CLASSES:,} class names, received {len(labels):,}."
        )
    return labels


def read_labels(path: Path) -> tuple[str, ...]:
    """The class names in a text file, one per line. Raises ``ModelFileError``."""
    if not path.is_file():
        raise ModelFileError(f"{path.name}, the file with the class names, is missing.")
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{path.name} is larger than {MAX_BYTES:,} bytes.")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if read_names(text) == COCO_LABELS:
        return COCO_LABELS
    return shortened(line.strip() for line in text.splitlines() if line.strip())


def _web_address(text: str) -> str:
    # Pages link to it.
    if not re.match(r"https?://|$", text):
        raise ModelFileError(f"{FILE_NAME}: origin must be empty or begin with https://.")
    return text


def _input_size(table: Table) -> tuple[int, int]:
    width, height = table.numbers("size", 2)
    if not all(side in range(1, MAX_SIDE + 1) for side in (width, height)):
        raise ModelFileError(f"{FILE_NAME} [input]: size must be whole numbers, 1 to {MAX_SIDE}.")
    return int(width), int(height)


def _input_format(table: Table) -> InputFormat:
    colours: Colours = table.choice("colours", get_args(Colours), "RGB")
    channels = 1 if colours == "grey" else 3
    low, high = table.numbers("range", 2, (0.0, 255.0))
    std = table.numbers("std", channels, ())
    if 0 in std:
        raise ModelFileError(f"{FILE_NAME} [input]: std must not contain 0.")
    axes: AxisOrder = table.choice("axes", get_args(AxisOrder), "NHWC")
    input_format = InputFormat(
        axes=axes,
        colours=colours,
        value_range=(low, high),
        mean=table.numbers("mean", channels, ()),
        std=std,
        is_centred=table.choice("position", POSITIONS, "centre") == "centre",
        pad_value=table.whole("pad_value", 0, 255, 128),
    )
    table.refuse_unknown()
    return input_format


def _output_format(table: Table, task: Task) -> OutputFormat:
    layouts = ["classes"] if task == "classification" else list(LAYOUTS)
    activation: Activation = table.choice("activation", get_args(Activation), "none")
    boxes: BoxUnit = table.choice("boxes", get_args(BoxUnit), "pixels")
    output_format = OutputFormat(
        layout=table.choice("layout", layouts),
        tensors=table.texts("tensors", ()),
        activation=activation,
        box_unit=boxes,
        first_class_id=table.whole("first_class_id", 0, MAX_CLASSES, 0),
        is_sparse_coco=table.flag("sparse_coco_ids", False),
    )
    table.refuse_unknown()
    return output_format


def _labels(table: Table, folder: Path) -> tuple[str, ...]:
    value = table.take("labels", LABELS_FILE)
    if isinstance(value, str):
        return read_labels(folder / _inside(value))
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ModelFileError(f"{FILE_NAME}: labels must be a file name or a list of names.")
    return shortened(value)


def _inside(name: str) -> str:
    """The name of a file inside the model's folder. Raises ``ModelFileError`` for any other."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or set(name) & set("\\:"):
        raise ModelFileError(f"{FILE_NAME}: {name!r} is no file inside the model's folder.")
    return name


def _toml(value: object) -> str:
    """A string, boolean or list of them or of numbers: JSON's notation is TOML's as well."""
    return json.dumps(value, ensure_ascii=False)
