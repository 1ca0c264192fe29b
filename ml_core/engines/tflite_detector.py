"""SSD detectors in TFLite files, which end with an operation that OpenVINO does not know.

``TFLite_Detection_PostProcess`` decodes boxes by their anchors, and suppresses duplicates. Such a
file is read without it, and operations of OpenVINO take its place. The numbers below are positions
of fields in https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs; the
operation is ``tflite/kernels/detection_postprocess.cc`` there.
"""

import struct
from dataclasses import dataclass

import numpy as np
import openvino as ov
from flatbuffers import flexbuffers
from flatbuffers.number_types import Int8Flags
from openvino import opset13 as ops

from ml_core.catalog.formats import ModelFileError
from ml_core.engines.flatbuffer import Table

OPERATION = b"TFLite_Detection_PostProcess"
MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS = 1, 2, 4
CODE_NAME = 1
GRAPH_TENSORS, GRAPH_OUTPUTS, GRAPH_OPERATORS = 0, 2, 3
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OPTIONS = 0, 1, 5
TENSOR_TYPE, TENSOR_BUFFER, TENSOR_QUANTIZATION = 1, 2, 4
QUANTIZATION_SCALE, QUANTIZATION_ZERO = 2, 3
BUFFER_DATA = 0
# Of the types of tensors, those that anchors have.
TYPES = {0: np.float32, 3: np.uint8, 9: np.int8}


@dataclass(frozen=True)
class PostProcess:
    """The operation's (N, 4) anchors, as centre y, centre x, height and width, and its options.

    Encoded boxes are divided by ``scales``, in the order of the anchors. Boxes of other classes
    suppress each other, too, unless ``is_per_class``.
    """

    anchors: np.ndarray
    scales: np.ndarray
    class_count: int
    max_detections: int
    score_threshold: float
    iou_threshold: float
    is_per_class: bool


def split(content: bytes) -> tuple[bytes, PostProcess] | None:
    """A TFLite file without its last operation, if that is ``OPERATION``; else None.

    The outputs are then the encoded boxes (1, N, 4) and the scores (1, N, classes) that it takes.
    Raises ``ModelFileError`` if the operation is not the last one, or damaged.
    """
    if OPERATION not in content:
        return None
    try:
        return _split(bytearray(content))
    # Whatever the offsets of a damaged file lead to.
    except Exception as exc:
        raise ModelFileError(f"Its {OPERATION.decode()} cannot be read: {exc}") from exc


def _split(patched: bytearray) -> tuple[bytes, PostProcess]:
    model = Table.root(patched)
    names = [code.text(CODE_NAME) for code in model.tables(MODEL_CODES)]
    (graph,) = model.tables(MODEL_SUBGRAPHS)
    *_, last = operators = graph.tables(GRAPH_OPERATORS)
    if names[last.number(OPERATOR_CODE)] != OPERATION:
        raise ValueError("it is not the last operation")
    boxes, scores, anchors = last.numbers(OPERATOR_INPUTS, np.int32).tolist()
    options = flexbuffers.Loads(last.numbers(OPERATOR_OPTIONS, np.uint8).tobytes())
    post_process = PostProcess(
        anchors=_constant(model, graph.tables(GRAPH_TENSORS)[anchors]),
        scales=np.array([options[f"{side}_scale"] for side in "yxhw"], np.float32),
        class_count=int(options["num_classes"]),
        max_detections=int(options["max_detections"]),
        score_threshold=float(options["nms_score_threshold"]),
        iou_threshold=float(options["nms_iou_threshold"]),
        is_per_class=bool(options.get("use_regular_nms")),
    )
    # Vectors become shorter in place: their length is before the first element.
    start, _ = graph.vector(GRAPH_OPERATORS)
    struct.pack_into("<I", patched, start - 4, len(operators) - 1)
    start, _ = graph.vector(GRAPH_OUTPUTS)
    struct.pack_into("<Iii", patched, start - 4, 2, boxes, scores)
    return bytes(patched), post_process


def _constant(model: Table, tensor: Table) -> np.ndarray:
    """The (N, 4) real values of a constant tensor."""
    buffer = model.tables(MODEL_BUFFERS)[tensor.number(TENSOR_BUFFER)]
    kind = tensor.number(TENSOR_TYPE, Int8Flags)
    content = buffer.numbers(BUFFER_DATA, np.uint8).tobytes()
    values = np.frombuffer(content, TYPES[kind]).astype(np.float32)
    if kind:
        quantization = tensor.table(TENSOR_QUANTIZATION)
        zero = quantization.numbers(QUANTIZATION_ZERO, np.int64)
        values = (values - zero) * quantization.numbers(QUANTIZATION_SCALE, np.float32)
    return values.reshape(-1, 4)


def finish(boxes: ov.Output, scores: ov.Output, post_process: PostProcess) -> list[ov.Output]:
    """Boxes (1, M, 4), classes (1, M), scores (1, M) and count (1,), as the operation returns them.

    Boxes are y_min, x_min, y_max, x_max relative to the picture, classes count from 0. M is the
    number of boxes found.
    """
    centers, sizes = np.split(post_process.anchors[None], 2, axis=2)
    encoded = ops.split(ops.divide(boxes, post_process.scales), 2, 2)
    center = ops.add(ops.multiply(encoded.output(0), sizes), centers)
    half = ops.multiply(ops.exp(encoded.output(1)), sizes / 2)
    corners = ops.concat([ops.subtract(center, half), ops.add(center, half)], 2)
    # The first column is the background, if there is one more than classes.
    columns = scores.get_partial_shape()[2].get_length()
    first = columns - post_process.class_count
    of_classes = ops.slice(scores, [first], [columns], [1], [2])
    class_ids = ops.squeeze(ops.topk(of_classes, 1, 2, "max", "value").output(1), [0, 2])
    if not post_process.is_per_class:
        # Only the best class of each box counts.
        of_classes = ops.reduce_max(of_classes, [2], keep_dims=True)
    found = ops.multiclass_nms(
        corners,
        ops.transpose(of_classes, [0, 2, 1]),
        sort_result_type="score",
        iou_threshold=post_process.iou_threshold,
        score_threshold=post_process.score_threshold,
        keep_top_k=post_process.max_detections,
    )
    # Rows of class, score and box.
    rows, indices = found.output(0), ops.squeeze(found.output(1), [1])
    classes = ops.squeeze(ops.slice(rows, [0], [1], [1], [1]), [1])
    if not post_process.is_per_class:
        classes = ops.convert(ops.gather(class_ids, indices, 0), "f32")
    count = ops.convert(ops.shape_of(classes, "i64"), "f32")
    outputs = (
        ops.unsqueeze(ops.slice(rows, [2], [6], [1], [1]), [0]),
        ops.unsqueeze(classes, [0]),
        ops.unsqueeze(ops.squeeze(ops.slice(rows, [1], [2], [1], [1]), [1]), [0]),
        count,
    )
    for number, output in enumerate(outputs):
        suffix = f":{number}" if number else ""
        output.output(0).set_names({f"{OPERATION.decode()}{suffix}"})
    return [output.output(0) for output in outputs]
