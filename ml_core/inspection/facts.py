"""What a model file says about itself. Read in a child process, see ``ml_core.engines.convert``."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.inspection.onnx_metadata import read_onnx_metadata
from ml_core.inspection.tflite_metadata import read_tflite_metadata
from ml_core.networks.keras_archive import check_keras_file

FACTS_FILE = "facts.json"
MAX_FACTS_BYTES = 10**8
MAX_STEPS_TO_SCALING = 4


@dataclass(frozen=True)
class Tensor:
    """An input or output; unknown sides of ``shape`` are None, ``operation`` computes an output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    operation: str = ""

    @property
    def is_real(self) -> bool:
        return "int" not in self.dtype

    def __str__(self) -> str:
        sides = " x ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides})"


@dataclass(frozen=True)
class Facts:
    """What a file says: its picture input, its outputs, and what its author wrote into it.

    ``metadata`` are texts by key, such as those of Ultralytics. ``scaling_layer`` is the kind of
    the layer by which the network scales pixels itself, or "". ``backbone`` names the
    network of ``keras.applications`` that it is, or is built on. ``mean`` and ``std`` are those of
    TFLite's metadata, in units of pixels.
    """

    image: Tensor
    outputs: tuple[Tensor, ...]
    metadata: dict[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    scaling_layer: str = ""
    backbone: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def read_facts(spec: ModelSpec) -> Facts:
    """Open the files of ``spec``, of which only the format is known. Raises ``ModelFileError``."""
    if spec.format == "keras":
        # First, as importing Keras takes seconds.
        check_keras_file(spec.paths[0])
        from ml_core.inspection.keras_facts import keras_facts

        return keras_facts(spec)
    from ml_core.engines.openvino_graph import image_input, read_network, tensor_name

    network = read_network(spec.source_path)
    image = image_input(network)
    facts: dict[str, Any] = {}
    if spec.format == "onnx":
        facts["metadata"] = read_onnx_metadata(spec.paths[0])
    if spec.format == "tflite":
        facts |= read_tflite_metadata(spec.paths[0])
    return Facts(
        image=Tensor(tensor_name(image), _sides(image), _dtype(image)),
        outputs=tuple(
            Tensor(tensor_name(output), _sides(output), _dtype(output), _operation(output))
            for output in network.outputs
        ),
        scaling_layer=_scaling_operation(image),
        **facts,
    )


def write_facts(facts: Facts, folder: Path) -> None:
    """Write ``facts`` for the parent process, as JSON: it must not unpickle what a child wrote."""
    folder.joinpath(FACTS_FILE).write_text(json.dumps(asdict(facts)), encoding="utf-8")


def load_facts(folder: Path) -> Facts:
    """The facts that the child process wrote. Raises ``ModelFileError``."""
    path = folder / FACTS_FILE
    if path.stat().st_size > MAX_FACTS_BYTES:
        raise ModelFileError("The file says too much about itself.")
    values = json.loads(path.read_text(encoding="utf-8"))
    for key in ("labels", "mean", "std"):
        values[key] = tuple(values[key])
    values["image"] = _tensor(values["image"])
    values["outputs"] = tuple(map(_tensor, values["outputs"]))
    return Facts(**values)


def _tensor(values: dict[str, Any]) -> Tensor:
    return Tensor(**{**values, "shape": tuple(values["shape"])})


def _sides(tensor: Any) -> tuple[int | None, ...]:
    shape = tensor.get_partial_shape()
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def _dtype(tensor: Any) -> str:
    return tensor.get_element_type().to_dtype().name


def _scaling_operation(image: Any) -> str:
    """The first operation if it takes numbers as large as pixels, or ""."""
    tensor = image
    for _ in range(MAX_STEPS_TO_SCALING):
        targets = list(tensor.get_target_inputs())
        if len(targets) != 1:
            break
        node = targets[0].get_node()
        kind = node.get_type_name()
        if kind in ("Multiply", "Divide", "Subtract", "Add"):
            constants = [value.get_node() for value in node.input_values()]
            numbers = [c.get_data() for c in constants if c.get_type_name() == "Constant"]
            largest = max((abs(n).max(initial=0) for n in numbers), default=0)
            is_scaling = 0 < largest < 1 / 40 if kind == "Multiply" else largest > 3
            return kind if is_scaling else ""
        if kind not in ("Convert", "Transpose"):
            break
        tensor = node.output(0)
    return ""


def _operation(output: Any) -> str:
    """The operation that computes an output, without conversions and reshaping after it."""
    node = output.get_node().input_value(0).get_node()
    while node.get_type_name() in ("Convert", "FakeQuantize", "Reshape", "Squeeze", "Transpose"):
        node = node.input_value(0).get_node()
    return node.get_type_name()
