"""Small model files of several formats, for tests; each returns its input or fixed values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

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
