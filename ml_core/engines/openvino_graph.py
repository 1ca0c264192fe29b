"""Give a network that OpenVINO has read this project's input and outputs.

Behind it every network takes (1, height, width, 3) uint8 RGB and returns float32 outputs
(1, ...) in the order of its decoder, whatever its file looks like.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from ml_core.catalog.formats import InputFormat, ModelFileError
from ml_core.engines.openvino_core import CORE
from ml_core.engines.tflite_detector import finish, split
from ml_core.networks.preprocessing import GREY_WEIGHTS, scale_and_offset

# The input of RT-DETR's deployment form: (1, 2), the (width, height) that boxes refer to.
PICTURE_SIZE_INPUT = "orig_target_sizes"

Size = tuple[int, int]


def read_network(path: Path) -> ov.Model:
    """Read an ONNX, OpenVINO IR or TFLite file, or the folder of a SavedModel.

    Raises ``ModelFileError``.
    """
    try:
        if path.suffix.lower() == ".tflite" and (found := split(path.read_bytes())):
            content, post_process = found
            # OpenVINO reads this format only from files.
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                part = Path(folder) / path.name
                part.write_bytes(content)
                network = CORE.read_model(part)
            boxes, scores = map(_as_float, network.outputs)
            outputs = finish(boxes, scores, post_process)
            return ov.Model(outputs, network.get_parameters(), path.stem)
        return CORE.read_model(path)
    except RuntimeError as exc:
        text = str(exc)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        # The last line is about the model, those before it about places in OpenVINO's source code.
        why = lines[-1].replace(str(path), path.name).replace(str(path.parent), "its folder")[:300]
        if "Unable to read the model" in text:
            why = f"{path.name} is damaged, or no model of the format that its name says."
        if unknown := re.search(r"No translator found for (\S+) node", text):
            why = (
                f"it does not know the operation {unknown[1]}. Export the model to ONNX or as a "
                "SavedModel instead."
            )
        raise ModelFileError(f"OpenVINO cannot read it: {why}") from exc


def image_input(network: ov.Model) -> ov.Output:
    """The network's input for pictures. Raises ``ModelFileError`` if there is not exactly one."""
    images = [entry for entry in network.inputs if PICTURE_SIZE_INPUT not in entry.get_names()]
    ranks = [entry.get_partial_shape().rank for entry in images]
    if len(images) != 1 or ranks[0].is_dynamic or ranks[0].get_length() not in (3, 4):
        shapes = ", ".join(
            f"{tensor_name(entry)} {entry.get_partial_shape()}" for entry in network.inputs
        )
        raise ModelFileError(f"Expected one input for a picture, found: {shapes}.")
    return images[0]


def tensor_name(tensor: ov.Output) -> str:
    """One of the tensor's names, always the same; its node's name if it has none."""
    names = sorted(tensor.get_names(), key=lambda name: (len(name), name))
    return names[0] if names else tensor.get_node().get_friendly_name()


def adapt(
    network: ov.Model, input_wh: Size, input_format: InputFormat, tensors: Sequence[str] = ()
) -> ov.Model:
    """A network with this project's input, and the outputs ``tensors``: all if empty.

    Raises ``ModelFileError`` if the network does not accept the input's shape or lacks an output.
    """
    image = image_input(network)
    _reshape(network, image, input_wh, input_format)
    for entry in network.inputs:
        if PICTURE_SIZE_INPUT in entry.get_names():
            size = ops.constant(np.array([input_wh]), entry.get_element_type())
            _replace(entry, size.output(0))
    image = image_input(network)
    width, height = input_wh
    pixels = ops.parameter([1, height, width, 3], np.uint8, name="image")
    pixels.output(0).set_names({"image"})
    _replace(image, _preprocessed(pixels, image, input_format))
    results = [_as_float(output) for output in _selected(network, tensors)]
    adapted = ov.Model(_batched(results), [pixels], network.get_friendly_name())
    adapted.validate_nodes_and_infer_types()
    return adapted


def _reshape(
    network: ov.Model, image: ov.Output, input_wh: Size, input_format: InputFormat
) -> None:
    width, height = input_wh
    channels = 1 if input_format.colours == "grey" else 3
    shape = [height, width, channels]
    if input_format.axes == "NCHW":
        shape = [channels, height, width]
    if image.get_partial_shape().rank.get_length() == 4:
        shape = [1, *shape]
    shapes = {image: ov.PartialShape(shape)}
    for entry in network.inputs:
        if PICTURE_SIZE_INPUT in entry.get_names():
            shapes[entry] = ov.PartialShape([1, 2])
    try:
        network.reshape(shapes)
    except RuntimeError as exc:
        raise ModelFileError(
            f"The network's input is {image.get_partial_shape()}; it does not accept {shape}."
        ) from exc


def _replace(entry: ov.Output, source: ov.Output) -> None:
    for target in entry.get_target_inputs():
        target.replace_source_output(source)


def _preprocessed(pixels: ov.Node, image: ov.Output, input_format: InputFormat) -> ov.Output:
    """The value for the input ``image`` from (1, H, W, 3) uint8 RGB pixels."""
    values: Any = ops.convert(pixels, "f32")
    if input_format.colours == "BGR":
        values = ops.gather(values, [2, 1, 0], 3)
    if input_format.colours == "grey":
        values = ops.matmul(values, np.array(GREY_WEIGHTS, np.float32)[:, None], False, False)
    element = image.get_element_type()
    if element.is_real():
        scale, offset = scale_and_offset(input_format)
        values = ops.add(ops.multiply(values, scale), offset)
    elif element == ov.Type.i8:
        # Quantized networks with signed input count pixels from -128.
        values = ops.subtract(values, np.float32(128))
    if not element.is_real():
        values = ops.round(values, "half_to_even")
    if element != ov.Type.f32:
        values = ops.convert(values, element.get_type_name())
    if input_format.axes == "NCHW":
        values = ops.transpose(values, [0, 3, 1, 2])
    if image.get_partial_shape().rank.get_length() == 3:
        values = ops.squeeze(values, [0])
    return values.output(0)


def _selected(network: ov.Model, tensors: Sequence[str]) -> list[ov.Output]:
    by_name = {name: output for output in network.outputs for name in output.get_names()}
    by_name |= {tensor_name(output): output for output in network.outputs}
    missing = [name for name in tensors if name not in by_name]
    if missing:
        raise ModelFileError(
            f"The network has no output {', '.join(missing)}; it has: {', '.join(by_name)}."
        )
    return [by_name[name] for name in tensors] or list(network.outputs)


def _as_float(output: ov.Output) -> ov.Output:
    source = output.get_node().input_value(0)
    node = source.get_node()
    if node.get_type_name() == "Convert":
        quantized = node.input_value(0).get_node()
        if quantized.get_type_name() == "FakeQuantize" and not source.get_element_type().is_real():
            # A quantized output: the real value is what was quantized.
            source = quantized.input_value(0)
    if source.get_element_type() == ov.Type.f32:
        return source
    return ops.convert(source, "f32").output(0)


def _batched(outputs: list[ov.Output]) -> list[ov.Output]:
    """Add the batch axis to torchvision's boxes (N, 4), and to what belongs to them."""
    shapes = [output.get_partial_shape() for output in outputs]
    has_batch = any(shape.rank.get_length() >= 3 for shape in shapes)
    if has_batch or len(outputs) < 2 or all(shape.rank.get_length() == 2 for shape in shapes):
        return outputs
    return [ops.unsqueeze(output, 0).output(0) for output in outputs]
