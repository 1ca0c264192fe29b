"""Arrays and predictions as the protocol's tensors, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml_core.inference_protocol import v2_pb2
from ml_core.networks.loading import Prediction
from ml_core.networks.yolo import Candidates

# Datatypes of the protocol that a network can take or return.
DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
DATATYPES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


class BadTensor(ValueError):
    """A message does not hold the tensors that it should; the text says what was expected."""


def add_input(request: v2_pb2.ModelInferRequest, name: str, array: np.ndarray) -> None:
    """Append ``array`` to the inputs of ``request``."""
    request.inputs.add(name=name, datatype=DATATYPES[array.dtype], shape=array.shape)
    request.raw_input_contents.append(np.ascontiguousarray(array).tobytes())


def read_inputs(request: v2_pb2.ModelInferRequest) -> dict[str, np.ndarray]:
    """The inputs of ``request`` by name, as arrays that share its memory. Raises ``BadTensor``."""
    return _read(request.inputs, request.raw_input_contents)


def add_output(response: v2_pb2.ModelInferResponse, name: str, array: np.ndarray) -> None:
    """Append ``array`` to the outputs of ``response``."""
    response.outputs.add(name=name, datatype=DATATYPES[array.dtype], shape=array.shape)
    response.raw_output_contents.append(np.ascontiguousarray(array).tobytes())


def read_outputs(response: v2_pb2.ModelInferResponse) -> dict[str, np.ndarray]:
    """The outputs of ``response`` by name. Raises ``BadTensor``."""
    return _read(response.outputs, response.raw_output_contents)


def add_predictions(response: v2_pb2.ModelInferResponse, predictions: Sequence[Prediction]) -> None:
    """Append what was predicted for the B pictures of a request.

    Classifiers return ``probabilities`` (B, classes). Detectors return ``count`` (B,) and the boxes
    of all pictures one after the other: ``boxes`` (N, 4) relative to the input, ``scores`` (N,)
    and ``class_ids`` (N,). The parameter ``is_final`` says that none is a duplicate.
    """
    found = [prediction for prediction in predictions if isinstance(prediction, Candidates)]
    if not found:
        add_output(response, "probabilities", np.stack([np.asarray(each) for each in predictions]))
        return
    add_output(response, "count", np.array([len(each.scores) for each in found]))
    add_output(response, "boxes", np.concatenate([each.boxes_rel_xyxy for each in found]))
    add_output(response, "scores", np.concatenate([each.scores for each in found]))
    add_output(response, "class_ids", np.concatenate([each.class_ids for each in found]))
    response.parameters["is_final"].bool_param = all(each.is_final for each in found)


def read_predictions(response: v2_pb2.ModelInferResponse) -> list[Prediction]:
    """What ``add_predictions`` wrote. Raises ``BadTensor``."""
    outputs = read_outputs(response)
    if "probabilities" in outputs:
        return [*outputs["probabilities"]]
    if missing := {"count", "boxes", "scores", "class_ids"} - outputs.keys():
        raise BadTensor(f"the response has no {', '.join(sorted(missing))}")
    ends = np.cumsum(outputs["count"])[:-1]
    parts = (np.split(outputs[name], ends) for name in ("boxes", "scores", "class_ids"))
    is_final = response.parameters["is_final"].bool_param
    return [
        Candidates(boxes, scores, class_ids, is_final)
        for boxes, scores, class_ids in zip(*parts, strict=True)
    ]


def _read(described: Sequence[Any], contents: Sequence[bytes]) -> dict[str, np.ndarray]:
    if len(described) != len(contents):
        raise BadTensor(f"expected {len(described)} tensors as raw bytes, received {len(contents)}")
    arrays = {}
    for tensor, content in zip(described, contents, strict=True):
        if tensor.datatype not in DTYPES:
            known = ", ".join(DTYPES)
            raise BadTensor(f"{tensor.name} is {tensor.datatype[:20]}; expected one of {known}")
        dtype = np.dtype(DTYPES[tensor.datatype])
        expected = int(np.prod(tensor.shape, dtype=np.float64)) * dtype.itemsize
        if any(side < 0 for side in tensor.shape) or len(content) != expected:
            raise BadTensor(
                f"{tensor.name} has shape {[*tensor.shape]} of {tensor.datatype}, "
                f"{expected:,} bytes; received {len(content):,}"
            )
        arrays[tensor.name] = np.frombuffer(content, dtype).reshape(tensor.shape)
    return arrays
