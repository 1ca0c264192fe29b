"""Arrays as the protocol's tensors."""

import numpy as np
import pytest

from ml_core.inference_protocol import v2_pb2 as pb
from ml_core.inference_protocol.tensors import (
    DTYPES,
    BadTensor,
    add_input,
    add_predictions,
    read_inputs,
    read_predictions,
)
from ml_core.networks.yolo import Candidates


def found(boxes: int, *, is_final: bool = False) -> Candidates:
    numbers = np.arange(boxes * 4, dtype=np.float64).reshape(boxes, 4)
    return Candidates(numbers / 7, numbers[:, 0].astype(np.float32), np.arange(boxes), is_final)


@pytest.mark.parametrize("datatype", [*DTYPES])
def test_arrays_arrive_unchanged(datatype):
    array = np.arange(6).reshape(1, 2, 3).astype(DTYPES[datatype])
    request = pb.ModelInferRequest()

    add_input(request, "image", array)
    received = read_inputs(pb.ModelInferRequest.FromString(request.SerializeToString()))["image"]

    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize("counts", [[0], [2], [0, 3, 1], [0, 0]])
@pytest.mark.parametrize("is_final", [False, True])
def test_boxes_of_several_pictures_arrive_unchanged(counts, is_final):
    response = pb.ModelInferResponse()
    expected = [found(count, is_final=is_final) for count in counts]

    add_predictions(response, expected)
    received = read_predictions(pb.ModelInferResponse.FromString(response.SerializeToString()))

    assert [each.is_final for each in received] == [is_final] * len(counts)
    for ours, theirs in zip(received, expected, strict=True):
        for name in ("boxes_rel_xyxy", "scores", "class_ids"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype


@pytest.mark.parametrize(
    ("datatype", "shape", "content", "reason"),
    [
        ("UINT8", [2, 2], b"123", r"image has shape \[2, 2\] of UINT8, 4 bytes; received 3"),
        ("UINT8", [-1, -4], b"1234", "received 4"),
        ("BYTES", [1], b"1", "image is BYTES; expected one of BOOL"),
        ("FP64", [2**40, 2**40], b"", "received 0"),
        ("UINT8", [0], b"", None),
    ],
)
def test_a_wrong_tensor_is_refused_with_what_was_expected(datatype, shape, content, reason):
    request = pb.ModelInferRequest(raw_input_contents=[content])
    request.inputs.add(name="image", datatype=datatype, shape=shape)

    if reason is None:
        assert read_inputs(request)["image"].shape == (0,)
        return
    with pytest.raises(BadTensor, match=reason):
        read_inputs(request)


def test_a_response_without_raw_bytes_or_boxes_is_refused():
    response = pb.ModelInferResponse()
    with pytest.raises(BadTensor, match="no boxes, class_ids, count, scores"):
        read_predictions(response)

    response.outputs.add(name="boxes", datatype="FP32", shape=[0, 4])
    with pytest.raises(BadTensor, match="expected 1 tensors as raw bytes, received 0"):
        read_predictions(response)
