"""The last operation of SSD detectors in TFLite files, compared with TensorFlow's interpreter."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ml_core.catalog.formats import ModelFileError
from ml_core.engines.openvino_core import CORE
from ml_core.engines.openvino_graph import read_network, tensor_name
from ml_core.tests.model_files import custom_tflite

OPERATION = "TFLite_Detection_PostProcess"
SIDE = 16
BOXES, CLASSES = 60, 5
OPTIONS = {
    "max_detections": 12,
    "max_classes_per_detection": 1,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.4,
    "num_classes": CLASSES,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
    "use_regular_nms": False,
    "detections_per_class": 100,
}


def detector(path: Path, **options: object) -> Path:
    """Random boxes around random anchors, many of which overlap."""
    random = np.random.default_rng(0)
    encoded = random.normal(0, 2, (1, BOXES, 4))
    scores = random.uniform(0, 1, (1, BOXES, 1 + CLASSES))
    anchors = random.uniform(0.2, 0.8, (BOXES, 4))
    return custom_tflite(
        path,
        OPERATION,
        [encoded, scores],
        (SIDE, SIDE),
        constants=[anchors],
        options={**OPTIONS, **options},
    )


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("is_per_class", [False, True])
def test_boxes_classes_and_scores_are_those_of_tensorflow(tmp_path, is_per_class):
    path = detector(tmp_path / "net.tflite", use_regular_nms=is_per_class)
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], np.zeros((1, SIDE, SIDE, 3), np.float32)
    )
    interpreter.invoke()
    expected = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    count = int(expected[3][0])

    network = read_network(path)
    found = CORE.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
        np.zeros((1, SIDE, SIDE, 3), np.float32)
    )

    assert [tensor_name(output) for output in network.outputs] == [
        OPERATION,
        *(f"{OPERATION}:{number}" for number in (1, 2, 3)),
    ]
    assert 1 < found[3][0] == count <= 12
    for ours, theirs in zip(list(found.values())[:3], expected[:3], strict=True):
        np.testing.assert_allclose(ours[0], theirs[0, :count], atol=1e-5)


def test_a_picture_without_objects_has_no_rows(tmp_path):
    network = read_network(detector(tmp_path / "net.tflite", nms_score_threshold=2.0))

    found = CORE.compile_model(network, "CPU")(np.zeros((1, SIDE, SIDE, 3), np.float32))

    assert [found[number].shape for number in range(4)] == [(1, 0, 4), (1, 0), (1, 0), (1,)]
    assert found[3][0] == 0


def test_a_damaged_operation_is_an_error(tmp_path):
    path = detector(tmp_path / "net.tflite")
    path.write_bytes(path.read_bytes().replace(b"y_scale", b"z_scale"))
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_network(path)
