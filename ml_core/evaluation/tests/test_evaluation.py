"""Accuracy on labelled pictures, and quantization, with the toy network."""

import io
import json

import numpy as np
import openvino as ov
import pytest
from django.core.management import CommandError, call_command
from openvino import opset13

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.engines import load_engine
from ml_core.errors import ModelUnusable
from ml_core.evaluation.accuracy import (
    loss_interval,
    mean_average_precision,
    resampled_map_50,
    save_precision_recall,
)
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture, read_labelled_pictures
from ml_core.results import Detection
from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network


def run(*arguments: object) -> str:
    output = io.StringIO()
    call_command(*map(str, arguments), stdout=output, stderr=output)
    return output.getvalue()


@pytest.fixture
def labelled(tmp_path):
    """Two pictures of a tomato and a plum, with their labels."""
    for name, cells in {"a": {(0, 0): RED, (2, 1): BLUE}, "b": {(1, 1): RED}}.items():
        tmp_path.joinpath("images").mkdir(exist_ok=True)
        cells_picture(cells).save(tmp_path / "images" / f"{name}.png")
    third, sixth = 1 / 3, 1 / 6
    tmp_path.joinpath("labels").mkdir()
    tmp_path.joinpath("labels", "a.txt").write_text(
        f"0 {sixth} {sixth} {third} {third}\n1 {5 * sixth} 0.5 {third} {third}\n"
    )
    tmp_path.joinpath("labels", "b.txt").write_text(f"0 0.5 0.5 {third} {third}\n")
    return tmp_path


def picture(boxes, class_ids) -> LabelledPicture:
    boxes_xyxy = np.array(boxes, float).reshape(-1, 4)
    return LabelledPicture(
        "picture.png", (100, 100), boxes_xyxy, np.array(class_ids, int), np.ones(len(boxes_xyxy))
    )


def test_correct_boxes_have_an_average_precision_of_one_and_wrong_ones_zero():
    pictures = [picture([[10, 10, 50, 50]], [3]), picture([[0, 0, 20, 20]], [7])]

    accuracy = mean_average_precision(
        pictures,
        [
            [Detection((10, 10, 50, 50), 3, "", 0.9)],
            [Detection((60, 60, 80, 80), 7, "", 0.9), Detection((0, 0, 20, 20), 3, "", 0.2)],
        ],
    )

    assert accuracy.ap_50 == {3: pytest.approx(1.0), 7: 0.0}
    assert accuracy.map_50 == pytest.approx(0.5)
    assert accuracy.objects == {3: 1, 7: 1}


def test_a_box_with_an_iou_of_0_6_counts_at_three_of_ten_thresholds():
    pictures = [picture([[0, 0, 100, 100]], [0])]

    accuracy = mean_average_precision(pictures, [[Detection((0, 0, 100, 62), 0, "", 0.9)]])

    assert accuracy.map_50 == pytest.approx(1.0)
    assert accuracy.map_50_95 == pytest.approx(0.3)


def test_no_detections_give_an_accuracy_of_zero():
    accuracy = mean_average_precision([picture([[0, 0, 10, 10]], [0])], [[]])

    assert (accuracy.map_50, accuracy.map_50_95) == (0, 0)


def test_the_precision_recall_curve_is_plotted(tmp_path):
    accuracy = mean_average_precision(
        [picture([[0, 0, 10, 10]], [0])], [[Detection((0, 0, 10, 10), 0, "", 0.9)]]
    )

    save_precision_recall(accuracy, tmp_path / "curve.png")

    assert tmp_path.joinpath("curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "line",
    [
        "2 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 2",
        "0 0.5 0.5 0.1 0.1 7",
        "x 1 1 1 1",
        "0.5 0 0 0 0",
    ],
)
def test_the_error_names_file_and_line_of_an_invalid_label(labelled, line):
    labelled.joinpath("labels", "b.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")

    with pytest.raises(LabelError, match=r"b.txt, line 2: expected a class from 0 to 1"):
        read_labelled_pictures(labelled / "images", labelled / "labels", 2)


def test_labels_may_have_a_byte_order_mark_but_not_be_utf_16(labelled):
    labels_path = labelled / "labels" / "b.txt"
    labels_path.write_bytes(b"\xef\xbb\xbf1 0.5 0.5 0.1 0.1\r\n")
    pictures = read_labelled_pictures(labelled / "images", labelled / "labels", 2)
    labels_path.write_bytes(b"\xff\xfe1\x00")

    assert [1] in [picture.class_ids.tolist() for picture in pictures]
    with pytest.raises(LabelError, match="b.txt, line 1"):
        read_labelled_pictures(labelled / "images", labelled / "labels", 2)


def test_folders_without_pictures_or_labels_are_refused(labelled, tmp_path):
    with pytest.raises(LabelError, match="Expected pictures"):
        read_labelled_pictures(labelled / "labels", labelled / "labels", 2)
    with pytest.raises(LabelError, match="Expected labels such as"):
        read_labelled_pictures(labelled / "images", tmp_path / "nowhere", 2)


@pytest.mark.usefixtures("toy_detector")
def test_a_detector_is_evaluated_on_the_command_line(labelled):
    folders = ("--images", labelled / "images", "--labels", labelled / "labels")

    table = run("evaluate_detector", *folders, "--curve", labelled / "curve.png")
    answer = json.loads(run("evaluate_detector", *folders, "--json"))

    assert "| tomato |       2 |  1.000 |" in table
    assert "mAP@0.5: 1.0" in table
    assert answer["AP@0.5"] == {"tomato": 1.0, "plum": 1.0}
    assert labelled.joinpath("curve.png").exists()


@pytest.mark.usefixtures("toy_detector")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9 cannot be reached. Is the address right"),
        ("127.0.0.1", "The server at 127.0.0.1 does not answer as expected. Is the address right"),
    ],
)
def test_a_server_without_a_valid_response_is_a_clear_error(labelled, url, message):
    folders = ("--images", labelled / "images", "--labels", labelled / "labels")

    with pytest.raises(CommandError) as error:
        run("evaluate_detector", *folders, "--url", url)

    assert message in str(error.value)
    assert not {"urllib3", "HTTPConnection", "Max retries", "schema"} & set(
        str(error.value).split()
    )
    assert "object at 0x" not in str(error.value)


@pytest.fixture
def own_toy(settings, patient, tmp_path, converted_dir):
    """The toy network in a separate folder, so that a quantized copy can be saved beside it."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.CONVERTED_DIR = converted_dir
    settings.DETECTOR, settings.ENGINE, settings.PRECISION = "", "openvino", "int8"
    install_toy_network(settings.MODEL_DIR)
    return settings.MODEL_DIR / "toy"


def load_int8(spec, converted_dir):
    return load_engine(spec, kind="openvino", precision="int8", cache_dir=converted_dir)


def test_a_quantized_detector_is_used_with_precision_int8(own_toy, labelled, converted_dir):
    spec = selection.find("detection", "toy")
    assert load_int8(spec, converted_dir).info()["precision"] != "int8"

    text = run(
        *("quantize_model", "toy"),
        *("--images", labelled / "images", "--labels", labelled / "labels"),
    )

    quantized = load_int8(spec, converted_dir)
    assert "float32  mAP@0.5 1.000" in text
    assert "int8     mAP@0.5 1.000" in text
    assert quantized.info()["precision"] == "int8"
    (found,) = quantized.infer(np.array(cells_picture({(1, 0): RED}))[None])
    assert found.class_ids.tolist() == [0]


def test_a_quantized_network_with_a_significant_loss_is_not_saved(own_toy, labelled, monkeypatch):
    def blind(*arguments):
        """Replaces quantization by a network that finds nothing."""
        nothing = opset13.constant(np.full((1, 3, 3, 7), -20, np.float32))
        return ov.Model([nothing], [opset13.parameter([1, 96, 96, 3], np.uint8)])

    monkeypatch.setattr("ml_core.management.commands.quantize_model.quantize", blind)
    arguments = (
        *("quantize_model", "toy"),
        *("--images", labelled / "images", "--labels", labelled / "labels"),
    )

    with pytest.raises(CommandError, match="loses 1.000 of mAP@0.5 .* not kept"):
        run(*arguments)
    kept_before = own_toy.joinpath("toy.int8.xml").exists()
    text = run(*arguments, "--keep")

    assert not kept_before
    assert "95% interval over the pictures: 1.000 to 1.000" in text
    assert own_toy.joinpath("toy.int8.xml").exists()
    assert not list(own_toy.glob(".quantized-*"))


def noisy(truth, rng, found_share):
    """Detections of ``found_share`` of the objects, and as many false positives."""
    boxes = truth.boxes_xyxy[rng.random(len(truth.boxes_xyxy)) < found_share]
    wrong = np.tile([60.0, 60, 90, 90], (len(truth.boxes_xyxy) - len(boxes), 1))
    scores = rng.uniform(0.1, 1, len(truth.boxes_xyxy))
    rows = zip([*boxes.tolist(), *wrong.tolist()], scores.tolist(), strict=True)
    return [Detection(tuple(box), class_id % 3, "", s) for class_id, (box, s) in enumerate(rows)]


@pytest.fixture
def many_pictures():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 40, (60, 3, 2))
    return [picture(np.concatenate([c, c + 15], axis=1), range(3)) for c in corners]


def test_the_map_of_a_resample_is_that_of_pycocotools(many_pictures):
    rng = np.random.default_rng(1)
    found = [noisy(truth, rng, 0.6) for truth in many_pictures]
    drawn = rng.integers(0, 60, (3, 60))
    counts = np.stack([np.bincount(row, minlength=60) for row in drawn])

    resampled = resampled_map_50(many_pictures, found, counts)

    for value, row in zip(resampled, drawn, strict=True):
        expected = mean_average_precision([many_pictures[i] for i in row], [found[i] for i in row])
        assert value == pytest.approx(expected.map_50, abs=1e-6)


def test_an_insignificant_loss_is_distinguished_from_a_significant_one(many_pictures):
    rng = np.random.default_rng(2)
    before, alike, worse = (
        [noisy(truth, rng, share) for truth in many_pictures] for share in (0.7, 0.7, 0.4)
    )

    low, high = loss_interval(many_pictures, before, alike)
    assert low < 0 < high
    assert loss_interval(many_pictures, before, worse)[0] > 0.05
    assert loss_interval(many_pictures, before, before) == (0, 0)
    assert loss_interval(many_pictures, before, alike) == (low, high)


def test_a_quantized_network_of_other_weights_is_refused(own_toy, labelled):
    run("quantize_model", "toy", "--images", labelled / "images", "--keep")
    weights = own_toy / "toy.weights"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")

    with pytest.raises(ModelUnusable, match="quantize_model toy"):
        model_pool.wait_until_loaded("detection", "toy")


def test_quantizing_requires_labels_or_keep(own_toy, labelled):
    with pytest.raises(CommandError, match="--labels"):
        run("quantize_model", "toy", "--images", labelled / "images")
