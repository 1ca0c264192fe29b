"""What ONNX, OpenVINO, TFLite and SavedModel files say about themselves."""

from typing import Any

from ml_core.catalog.specs import ModelSpec
from ml_core.engines.openvino_graph import image_input, read_network, tensor_name
from ml_core.inspection.reading.facts import Facts, Tensor
from ml_core.inspection.reading.onnx_metadata import read_onnx_metadata
from ml_core.inspection.reading.tflite_metadata import read_tflite_metadata

MAX_STEPS_TO_SCALING = 4


def openvino_facts(spec: ModelSpec) -> Facts:
    """Open the files of ``spec``. Raises ``ModelFileError``."""
    network = read_network(spec.source_path)
    image = image_input(network)
    facts: dict[str, Any] = {}
    if spec.format == "onnx":
        facts = read_onnx_metadata(spec.paths[0])
    if spec.format == "tflite":
        facts = read_tflite_metadata(spec.paths[0])
    return Facts(
        image=Tensor(tensor_name(image), _sides(image), _dtype(image)),
        outputs=tuple(
            Tensor(tensor_name(output), _sides(output), _dtype(output), _operation(output))
            for output in network.outputs
        ),
        scaling_layer=_scaling_operation(image),
        **facts,
    )


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
