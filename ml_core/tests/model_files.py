"""Small model files of several formats, for tests; each returns its input or fixed values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int64": TensorProto.INT64}


def write_onnx(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Sequence[object]]],
    outputs: Mapping[str, tuple[str, Sequence[object]]],
    constants: Mapping[str, np.ndarray] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write an ONNX file; inputs and outputs are (type, shape) by name."""

    def infos(tensors: Mapping[str, tuple[str, Sequence[object]]]) -> list:
        return [
            helper.make_tensor_value_info(name, TYPES[kind], shape)
            for name, (kind, shape) in tensors.items()
        ]

    graph = helper.make_graph(
        nodes,
        "net",
        infos(inputs),
        infos(outputs),
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, str(path))
    return path


def echo_onnx(path: Path, shape: Sequence[object], kind: str = "float32") -> Path:
    """A network that returns its input, flattened."""
    return write_onnx(
        path,
        [
            helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["real"], ["values"]),
        ],
        {"image": (kind, shape)},
        {"values": ("float32", [1, None])},
    )


def brightest_onnx(path: Path) -> Path:
    """A classifier of 8 x 8 pixels, whose two classes are a large first and third channel."""
    return write_onnx(
        path,
        [
            helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
            helper.make_node("Gather", ["means", "channels"], ["scores"], axis=1),
        ],
        {"image": ("float32", [1, 3, 8, 8])},
        {"scores": ("float32", [1, 2])},
        {"channels": np.array([0, 2])},
    )


def fixed_onnx(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    input_wh: tuple[int, int],
    metadata: Mapping[str, str] | None = None,
    extra_inputs: Mapping[str, tuple[str, Sequence[object]]] | None = None,
) -> Path:
    """A network that returns ``arrays`` by name, for every picture."""
    width, height = input_wh
    nodes = [
        helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]
    constants = {"zero": np.array(0, np.float32)}
    for name, array in arrays.items():
        constants[f"{name}_values"] = array.astype(np.float32)
        nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
    return write_onnx(
        path,
        nodes,
        {"image": ("float32", [1, 3, height, width]), **(extra_inputs or {})},
        {name: ("float32", array.shape) for name, array in arrays.items()},
        constants,
        metadata,
    )


def fixed_tflite(path: Path, arrays: Sequence[np.ndarray], input_wh: tuple[int, int]) -> Path:
    """A network that returns ``arrays`` for every picture, with the names that TFLite gives."""
    import tensorflow as tf

    width, height = input_wh

    @tf.function(input_signature=[tf.TensorSpec((1, height, width, 3), tf.float32)])
    def network(image: tf.Tensor) -> list[tf.Tensor]:
        nothing = tf.nn.relu(-tf.abs(tf.reduce_sum(image)))
        return [tf.constant(array, tf.float32) + nothing for array in arrays]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    path.write_bytes(converter.convert())
    return path


def custom_tflite(
    path: Path,
    operation: str,
    inputs: Sequence[np.ndarray],
    input_wh: tuple[int, int],
    *,
    constants: Sequence[np.ndarray] = (),
    options: Mapping[str, object] | None = None,
) -> Path:
    """A network that ends with a custom operation, which takes ``inputs`` and ``constants``.

    The operation has four outputs, like ``TFLite_Detection_PostProcess``.
    """
    from flatbuffers import flexbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    content = fixed_tflite(path, inputs, input_wh).read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    (graph,) = model.subgraphs
    operator = schema.OperatorT()
    operator.inputs = [*_in_order(graph, inputs)]
    for array in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.astype(np.float32).tobytes(), np.uint8)
        model.buffers.append(buffer)
        operator.inputs.append(_add_tensor(schema, graph, "anchors", len(model.buffers) - 1))
        graph.tensors[-1].shape = list(array.shape)
    operator.outputs = [
        _add_tensor(schema, graph, f"{operation}:{number}", 0) for number in range(4)
    ]
    operator.customOptions = np.frombuffer(flexbuffers.Dumps(dict(options or {})), np.uint8)
    operator.opcodeIndex = len(model.operatorCodes)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = operation, 1
    model.operatorCodes.append(code)
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    model.signatureDefs = None
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _in_order(graph: Any, arrays: Sequence[np.ndarray]) -> list[int]:
    """The outputs of ``graph`` in the order of ``arrays``, which differ in shape."""
    shapes = {tuple(graph.tensors[output].shape): output for output in graph.outputs}
    return [shapes[array.shape] for array in arrays]


def _add_tensor(schema: Any, graph: Any, name: str, buffer: int) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.type = name, buffer, schema.TensorType.FLOAT32
    tensor.shape = []
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
