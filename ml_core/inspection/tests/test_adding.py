"""Models are understood, tried and written; each kind of detector is recognised from its file."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.installed import read_catalog
from ml_core.engines.conversion import StepProcess
from ml_core.inspection.adding import Places, Understood, add_model
from ml_core.inspection.answers import Answers
from ml_core.labels import COCO_LABELS
from ml_core.results import Classification, Detections
from ml_core.tests.model_files import custom_tflite, echo_onnx, fixed_onnx, fixed_tflite
from ml_core.tests.toy_network import RED, cells_picture, install_toy_network

SIZE = (96, 96)
CELLS = 12 * 12 + 6 * 6 + 3 * 3
SAMPLE = np.array(cells_picture({(1, 0): RED}, side=192))
SAMPLES = {"detection": SAMPLE, "classification": SAMPLE}
# A dog in the middle: centre and size, and corners, in pixels of the input.
CXCYWH, XYXY = [48, 48, 32, 16], [32, 40, 64, 56]
DOG = COCO_LABELS.index("dog")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "models", tmp_path / "converted", max_bytes=10**8)


def added(places: Places, *paths: Path, is_dry_run: bool = True, **answers: object) -> Understood:
    return add_model(paths, SAMPLES, Answers(**answers), places, is_dry_run=is_dry_run)


def guesses(found: Understood) -> list[str]:
    return [note.option for note in found.notes if note.option]


def rows(count: int, *values: float) -> np.ndarray:
    """(1, count, columns): one row of ``values``, and others of zeros."""
    array = np.zeros((1, count, len(values)), np.float32)
    array[0, 5] = values
    return array


def one_hot(count: int, index: int, value: float = 0.9) -> list[float]:
    return [value if position == index else 0.0 for position in range(count)]


def raw_yolox() -> np.ndarray:
    # The cell at column 5 and row 0 of the first grid.
    array = np.zeros((1, CELLS, 85), np.float32)
    array[0, 5] = [48 / 8 - 5, 48 / 8, np.log(32 / 8), np.log(16 / 8), 1, *one_hot(80, DOG)]
    return array


def logits(columns: int, dog: int) -> np.ndarray:
    array = np.full((1, 20, columns), -9, np.float32)
    array[0, 5, dog] = 3
    return array


def finished(dog: float, *, yxyx: bool = False) -> list[np.ndarray]:
    box = [40 / 96, 32 / 96, 56 / 96, 64 / 96] if yxyx else XYXY
    boxes, classes, scores = rows(20, *box), rows(20, dog)[..., 0], rows(20, 0.9)[..., 0]
    return [boxes, classes, scores]


RELATIVE = [value / 96 for value in CXCYWH]
DETECTORS = {
    "yolov5": ({"output0": rows(CELLS * 3, *CXCYWH, 1, *one_hot(80, DOG))}, "yolov5"),
    "yolov8": ({"output0": rows(CELLS, *CXCYWH, *one_hot(80, DOG)).transpose(0, 2, 1)}, "yolov8"),
    "yolox": ({"output": raw_yolox()}, "yolox"),
    "yolov10": ({"output0": rows(300, *XYXY, 0.9, DOG)}, "end-to-end"),
    "rt-detr": (
        {"pred_logits": logits(80, DOG), "pred_boxes": rows(20, *RELATIVE)},
        "detr",
    ),
    "detr": ({"logits": logits(92, 18), "boxes": rows(20, *RELATIVE)}, "detr"),
    "rf-detr": ({"dets": rows(20, *RELATIVE), "labels": logits(91, 18)}, "detr"),
    "torchvision": (
        dict(zip(["boxes", "labels", "scores"], [a[0] for a in finished(18)], strict=True)),
        "boxes-xyxy",
    ),
    "ssd": (
        dict(
            zip(
                ["detection_boxes", "detection_classes", "detection_scores", "num_detections"],
                [*finished(18, yxyx=True), np.array([20.0])],
                strict=True,
            )
        ),
        "boxes-yxyx",
    ),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_are_recognised_by_their_outputs(name, places, tmp_path):
    arrays, layout = DETECTORS[name]

    found = added(places, fixed_onnx(tmp_path / "net.onnx", arrays, SIZE))

    assert found.spec.output
    assert (found.spec.task, found.spec.output.layout) == ("detection", layout)
    assert isinstance(found.answer, Detections)
    (dog,) = found.answer.filtered(0.5).detections
    assert dog.class_name == "dog"
    # The sample has twice the size of the input.
    assert dog.box == pytest.approx([64, 80, 128, 112], abs=0.2)


def test_a_detector_for_deployment_gets_the_input_size(places, tmp_path):
    boxes, classes, scores = finished(DOG)
    path = fixed_onnx(
        tmp_path / "net.onnx",
        {"labels": classes, "boxes": boxes, "scores": scores},
        SIZE,
        extra_inputs={"orig_target_sizes": ("int64", ["batch", 2])},
    )

    found = added(places, path)

    assert found.spec.family == "RT-DETR"
    assert isinstance(found.answer, Detections)
    assert found.answer.detections[0].class_name == "dog"


def test_a_tflite_file_with_finished_boxes_is_a_detector_of_tensorflow(places, tmp_path):
    boxes, classes, scores = finished(18, yxyx=True)
    path = fixed_tflite(tmp_path / "net.tflite", [boxes, classes, scores, np.array([20.0])], SIZE)

    found = added(places, path)

    assert found.spec.output
    assert (found.spec.family, found.spec.output.layout) == ("SSD", "boxes-yxyx")
    # Finished boxes do not tell how many classes there are.
    assert (found.spec.labels, "--labels" in guesses(found)) == (COCO_LABELS, True)
    assert isinstance(found.answer, Detections)
    (dog,) = found.answer.filtered(0.5).detections
    assert dog.class_name == "dog"
    assert dog.box == pytest.approx([64, 80, 128, 112], abs=0.2)


def test_a_tflite_detector_may_end_with_its_post_processing(places, tmp_path):
    scores = np.zeros((1, 20, 91))
    scores[0, 5, 18] = 0.9
    anchors = rows(20, 48 / 96, 48 / 96, 16 / 96, 32 / 96)[0]
    path = custom_tflite(
        tmp_path / "net.tflite",
        "TFLite_Detection_PostProcess",
        [np.zeros((1, 20, 4)), scores],
        SIZE,
        constants=[anchors],
        options={
            **{"num_classes": 90, "max_detections": 10, "use_regular_nms": False},
            **{"nms_iou_threshold": 0.6, "nms_score_threshold": 1e-8},
            **dict.fromkeys(["y_scale", "x_scale", "h_scale", "w_scale"], 5.0),
        },
    )

    found = added(places, path, is_dry_run=False)

    assert (found.spec.family, found.spec.labels) == ("SSD", COCO_LABELS)
    assert isinstance(found.answer, Detections)
    (dog,) = found.answer.filtered(0.5).detections
    assert dog.class_name == "dog"
    assert dog.box == pytest.approx([64, 80, 128, 112], abs=0.2)


def test_an_operation_that_openvino_lacks_is_named_with_the_alternative(places, tmp_path):
    path = custom_tflite(tmp_path / "net.tflite", "Sieve", [np.zeros((1, 9))], SIZE)

    with pytest.raises(
        ModelFileError,
        match="it does not know the operation Sieve. Export the model to ONNX or as a SavedModel",
    ):
        added(places, path)


def test_ultralytics_metadata_tells_classes_size_and_licence(places, tmp_path):
    metadata = {
        "task": "detect",
        "names": "{0: 'tomato', 1: 'plum'}",
        "imgsz": "[96, 96]",
        "license": "AGPL-3.0",
    }
    arrays = {"output0": rows(CELLS, *CXCYWH, 0, 0.9).transpose(0, 2, 1)}

    found = added(places, fixed_onnx(tmp_path / "net.onnx", arrays, SIZE, metadata))

    assert found.spec.labels == ("tomato", "plum")
    assert found.spec.licence == "AGPL-3.0"
    assert guesses(found) == []


def test_a_task_without_boxes_or_classes_is_refused(places, tmp_path):
    path = fixed_onnx(tmp_path / "net.onnx", {"o": rows(9, 1)}, SIZE, {"task": "segment"})

    with pytest.raises(ModelFileError, match="its task is 'segment'"):
        added(places, path)


def test_unknown_outputs_are_refused_with_their_shapes_and_the_known_layouts(places, tmp_path):
    path = fixed_onnx(tmp_path / "net.onnx", {"masks": np.zeros((1, 21, 96, 96))}, SIZE)

    with pytest.raises(ModelFileError, match=r"masks \(1, 21, 96, 96\). Known are: .*yolov8"):
        added(places, path)


@pytest.mark.parametrize(
    ("shape", "axes", "colours"),
    [([1, 3, 8, 8], "NCHW", "RGB"), ([1, 8, 8, 1], "NHWC", "grey"), ([None] * 4, "NCHW", "RGB")],
)
def test_the_shape_of_the_input_is_read_from_the_file(places, tmp_path, shape, axes, colours):
    path = echo_onnx(tmp_path / "net.onnx", shape)

    spec = added(places, path, input_wh=(8, 8), task="classification").spec

    assert (spec.input.axes, spec.input.colours, spec.input_wh) == (axes, colours, (8, 8))


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"mean": (0.5, 0.5)}, "--mean takes one number per channel, 3; received 2"),
        ({"std": (1.0, 0.0, 1.0)}, "--std must not contain 0"),
        ({"input_wh": (4, 4)}, "The file fixes its input to 96 x 96 pixels"),
        ({"colours": "grey"}, "The network takes 3 channels, not grey"),
    ],
)
def test_answers_that_do_not_fit_are_refused(places, tmp_path, answers, text):
    path = fixed_onnx(tmp_path / "net.onnx", {"scores": np.eye(1, 5)}, SIZE)

    with pytest.raises(ModelFileError, match=text):
        added(places, path, **answers)


def test_labels_that_do_not_fit_the_network_are_refused(places, tmp_path):
    path = fixed_onnx(tmp_path / "net.onnx", {"scores": np.eye(1, 5)}, SIZE)

    with pytest.raises(ModelFileError, match="The network has 5 classes, and there are 3 labels"):
        added(places, path, labels=("a", "b", "c"))


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        ([0.1, 0.2, 0.7], None, [0.1, 0.2, 0.7]),
        ([0.0, 9.0, 0.0], None, [0.0001, 0.9998, 0.0001]),
        ([0.1, 0.2, 0.7], ("cat", "dog"), [0.2, 0.7]),
        ([2.0], None, [0.1192, 0.8808]),
    ],
    ids=["probabilities", "logits", "a background", "one logit of two classes"],
)
def test_outputs_of_a_classifier_become_probabilities(places, tmp_path, values, labels, expected):
    path = fixed_onnx(tmp_path / "net.onnx", {"scores": np.array([values])}, SIZE)

    answer = added(places, path, labels=labels).answer

    assert isinstance(answer, Classification)
    assert [p for _, p in answer.probabilities] == pytest.approx(expected, abs=1e-3)


def small_keras(path: Path, *layers: keras.Layer) -> Path:
    keras.Sequential(
        [keras.Input((8, 8, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(3)]
    ).save(path)
    return path


def test_a_keras_detector_with_a_scaling_layer_gets_pixels_as_they_are(places, tmp_path):
    values = DETECTORS["yolov8"][0]["output0"]
    network = keras.Sequential(
        [
            keras.Input((96, 96, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(values.size, kernel_initializer="zeros"),
            keras.layers.Reshape(values.shape[1:]),
        ]
    )
    network.layers[2].bias.assign(values.ravel())
    network.save(tmp_path / "net.keras")

    found = added(places, tmp_path / "net.keras")

    assert found.spec.output
    assert (found.spec.output.layout, found.spec.input.value_range) == ("yolov8", (0, 255))
    assert (found.spec.resizing, found.spec.input.pad_value) == ("letterbox", 114)
    assert guesses(found) == []
    assert isinstance(found.answer, Detections)
    assert found.answer.filtered(0.5).detections[0].class_name == "dog"


def test_without_a_scaling_layer_the_range_is_a_guess(places, tmp_path):
    found = added(places, small_keras(tmp_path / "net.keras"))

    assert found.spec.input.value_range == (0, 1)
    assert "--check, or --range and --colours" in guesses(found)


def test_all_steps_run_in_one_child_process(places, tmp_path, monkeypatch):
    steps, processes, run = [], set(), StepProcess.run

    def noted(process, step, *arguments, **options):
        steps.append(step)
        processes.add(process)
        run(process, step, *arguments, **options)

    monkeypatch.setattr(StepProcess, "run", noted)

    added(places, fixed_onnx(tmp_path / "net.onnx", DETECTORS["yolox"][0], SIZE))

    assert steps == ["look", "trial", "trial"]
    (process,) = processes
    assert process.returncode is not None


def test_what_was_written_serves_with_the_same_answer(places, tmp_path):
    path = fixed_onnx(tmp_path / "My net (1).onnx", DETECTORS["yolox"][0], SIZE)
    # What a killed process left, and what another one is working on.
    for name in ("old", "new"):
        places.model_dir.joinpath(f".adding-{name}").mkdir(parents=True)
    os.utime(places.model_dir / ".adding-old", (0, 0))

    found = added(places, path, is_dry_run=False)

    assert found.spec.name == "My-net-1"
    spec = read_catalog(places.model_dir)["My-net-1"]
    assert spec.is_usable
    assert (spec.input, spec.output, spec.labels) == (
        found.spec.input,
        found.spec.output,
        found.spec.labels,
    )
    assert {path.name for path in spec.directory.iterdir()} == {
        "My net (1).onnx",
        "model.toml",
        "labels.txt",
    }
    assert list(places.converted_dir.glob("My-net-1-*/model.xml"))
    names = {path.name for path in places.model_dir.iterdir()}
    assert names == {"My-net-1", ".adding-new"}


def test_a_darknet_network_is_added_with_its_names(places, tmp_path):
    install_toy_network(tmp_path / "given")

    found = added(places, tmp_path / "given" / "toy", is_dry_run=False)

    assert found.spec.labels == ("tomato", "plum")
    spec = read_catalog(places.model_dir)["toy"]
    assert (spec.format, spec.labels, spec.problem) == ("darknet", ("tomato", "plum"), "")


def test_a_dry_run_and_an_error_leave_nothing_behind(places, tmp_path):
    added(places, fixed_onnx(tmp_path / "net.onnx", DETECTORS["yolox"][0], SIZE))
    assert not places.model_dir.exists()

    with pytest.raises(ModelFileError):
        added(places, echo_onnx(tmp_path / "bad.onnx", [1, 5, 96, 96]), is_dry_run=False)

    assert list(places.model_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["../net", "a b", ".hidden", "", "x" * 61, "yolov3"])
def test_names_that_are_no_folder_or_taken_are_refused(places, tmp_path, name):
    path = fixed_onnx(tmp_path / "net.onnx", DETECTORS["yolox"][0], SIZE)
    if not name:
        shutil.copytree(tmp_path, places.model_dir / "net")

    with pytest.raises(ModelFileError, match="no name for a model|There is a model"):
        add_model([path], SAMPLES, Answers(), places, name=name)


def test_a_classifier_with_several_outputs_is_refused(places, tmp_path):
    path = fixed_onnx(tmp_path / "net.onnx", {"a": np.ones((1, 3)), "b": np.ones((1, 3))}, SIZE)

    with pytest.raises(ModelFileError, match="Expected a classifier with one output"):
        added(places, path, task="classification")


@pytest.mark.parametrize(
    ("origin", "labels", "says"),
    [
        ("ftp://example.com", ("a", "b", "c"), "origin must be empty or begin with https://"),
        ("", ("a", "b\u2028c", "d"), "class names must be lines of text"),
    ],
)
def test_what_could_not_be_read_again_is_refused(places, tmp_path, origin, labels, says):
    path = fixed_onnx(tmp_path / "net.onnx", {"a": np.array([[0.1, 0.8, 0.1]])}, SIZE)

    with pytest.raises(ModelFileError, match=says):
        add_model([path], SAMPLES, Answers(labels=labels), places, origin=origin)

    assert not (places.model_dir / "net").exists()
