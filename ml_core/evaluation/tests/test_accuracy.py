"""Detections compared with OpenCV's reader: boxes, scores, and mAP on real photos."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import call_command

from ml_core import engine
from ml_core.catalog.catalogue import VISION_SMALL
from ml_core.evaluation.accuracy import mean_average_precision
from ml_core.pictures.boxes import box_iou, clip_boxes, cxcywh_to_xyxy, non_max_suppression
from ml_core.pictures.images import ImageLimits, decode_image
from ml_core.pictures.labelled_pictures import read_labelled_pictures
from ml_core.pictures.resizing import GREY
from ml_core.postprocessing import IOU_THRESHOLD
from ml_core.results import Detection

SAMPLES = ["cars", "dog", "eagle", "giraffe", "horses", "kite", "person"]
# OpenCV's yolo layer drops boxes below this score.
OPENCV_FLOOR = 0.2

Found = tuple[np.ndarray, np.ndarray, np.ndarray]

pytestmark = pytest.mark.usefixtures("real_detector")


@pytest.fixture(scope="module")
def opencv_network(shared_dir):
    models = shared_dir / "models"
    return cv2.dnn.readNetFromDarknet(
        str(models / "yolo-fastest-1.1-xl.cfg"), str(models / "yolo-fastest-1.1-xl.weights")
    )


def read(path: Path) -> np.ndarray:
    return decode_image(path.read_bytes(), ImageLimits(10**8, 10**8))


def opencv_detect(network, image: np.ndarray) -> Found:
    """Boxes in pixels, decoded by OpenCV, after the same non-max suppression as ours."""
    height, width = image.shape[:2]
    network.setInput(cv2.dnn.blobFromImage(cv2.resize(image, (320, 320)), 1 / 255, (320, 320)))
    boxes, scores, class_ids = opencv_rows(network)
    return suppressed(boxes * (width, height, width, height), scores, class_ids, image)


def opencv_detect_letterboxed(network, image: np.ndarray, side: int) -> Found:
    """The same with OpenCV's letterboxed input of ``side`` x ``side`` pixels."""
    params = cv2.dnn.Image2BlobParams()
    params.scalefactor, params.size = (1 / 255,) * 4, (side, side)
    params.paddingmode, params.borderValue = cv2.dnn.DNN_PMODE_LETTERBOX, (GREY,) * 4
    blob = cv2.dnn.blobFromImageWithParams(image, params)
    rows, columns = (np.nonzero((blob != blob[0, 0, 0, 0])[0].any(axis=(0, n)))[0] for n in (2, 1))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    height, width = image.shape[:2]
    scale = np.array([width / (right - left), height / (bottom - top)] * 2)
    network.setInput(blob)
    boxes, scores, class_ids = opencv_rows(network)
    return suppressed((boxes * side - [left, top] * 2) * scale, scores, class_ids, image)


def opencv_rows(network) -> Found:
    rows = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))
    row_ids, class_ids = np.nonzero(rows[:, 5:] >= OPENCV_FLOOR)
    return cxcywh_to_xyxy(rows[row_ids, :4]), rows[row_ids, 5 + class_ids], class_ids


def suppressed(boxes, scores, class_ids, image: np.ndarray) -> Found:
    boxes = clip_boxes(boxes, image.shape[1::-1])
    kept = non_max_suppression(
        boxes, scores, class_ids, iou_threshold=IOU_THRESHOLD, max_detections=300
    )
    return boxes[kept], scores[kept], class_ids[kept]


def our_detect(image: np.ndarray, score_threshold: float, model: str = "") -> Found:
    found = engine.detect(image, model=model, score_threshold=score_threshold).detections
    return (
        np.array([detection.box for detection in found]).reshape(-1, 4),
        np.array([detection.score for detection in found]),
        np.array([detection.class_id for detection in found], int),
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_boxes_classes_and_scores_match_opencv(name, shared_dir, opencv_network):
    image = read(shared_dir / "samples" / f"{name}.jpg")

    boxes, scores, class_ids = our_detect(image, OPENCV_FLOOR)

    expected_boxes, expected_scores, expected_ids = opencv_detect(opencv_network, image)
    assert len(expected_boxes) >= 1
    assert class_ids.tolist() == expected_ids.tolist()
    np.testing.assert_allclose(scores, expected_scores, atol=0.01)
    assert (np.diag(box_iou(boxes, expected_boxes)) > 0.99).all()


@pytest.fixture
def letterboxed(shared_dir, tmp_path, settings) -> Path:
    """A copy of the trained network with a letterboxed input of 416 x 416."""
    settings.MODEL_DIR = tmp_path
    folder = tmp_path / "letterboxed"
    folder.mkdir()
    source = shared_dir / "models" / "yolo-fastest-1.1-xl.cfg"
    config = re.sub(r"(width|height)=320", r"\1=416", source.read_text())
    folder.joinpath("a.cfg").write_text(config.replace("[net]", "[net]\nletter_box=1"))
    folder.joinpath("a.weights").symlink_to(source.with_suffix(".weights"))
    return folder


@pytest.mark.parametrize("resolution_wh", [(773, 512), (720, 576)])
def test_letterboxed_boxes_and_scores_match_opencv(resolution_wh, letterboxed, shared_dir):
    network = cv2.dnn.readNetFromDarknet(str(letterboxed / "a.cfg"), str(letterboxed / "a.weights"))
    for name in ("dog", "horses", "person"):
        image = cv2.resize(read(shared_dir / "samples" / f"{name}.jpg"), resolution_wh)

        boxes, scores, class_ids = our_detect(image, OPENCV_FLOOR, model="letterboxed")

        expected_boxes, expected_scores, expected_ids = opencv_detect_letterboxed(
            network, image, 416
        )
        assert len(expected_boxes) >= 2
        assert class_ids.tolist() == expected_ids.tolist()
        np.testing.assert_allclose(scores, expected_scores, atol=0.001)
        np.testing.assert_allclose(boxes, expected_boxes, atol=0.2)


def as_detections(found: Found) -> list[Detection]:
    boxes, scores, class_ids = found
    rows = zip(boxes.tolist(), scores.tolist(), class_ids.tolist(), strict=True)
    return [Detection(tuple(box), class_id, "", score) for box, score, class_id in rows]


def test_mean_average_precision_on_real_photos_matches_opencv(shared_dir, opencv_network):
    folder = shared_dir / "data" / "coco128"
    pictures = read_labelled_pictures(folder / "images", folder / "labels", 80)
    assert len(pictures) == 128
    # OpenCV takes long.
    pictures = pictures[::4]
    images = [read(picture.path) for picture in pictures]

    ours = [engine.detect(image, score_threshold=OPENCV_FLOOR).detections for image in images]
    theirs = [as_detections(opencv_detect(opencv_network, image)) for image in images]

    expected = mean_average_precision(pictures, theirs)
    accuracy = mean_average_precision(pictures, ours)
    assert expected.map_50 == pytest.approx(0.42, abs=0.01)
    assert accuracy.map_50 == pytest.approx(expected.map_50, abs=0.005)
    assert accuracy.map_50_95 == pytest.approx(expected.map_50_95, abs=0.005)


def test_the_trial_model_finds_the_main_objects_of_most_samples(shared_dir):
    main = dict.fromkeys(SAMPLES, "person") | {"cars": "car", "dog": "dog", "eagle": "bird"}
    main |= {"giraffe": "giraffe", "horses": "horse"}

    found = [
        name
        for name in SAMPLES
        if main[name]
        in {
            detection.class_name
            for detection in engine.detect(
                read(shared_dir / "samples" / f"{name}.jpg"), model=VISION_SMALL.name
            ).detections
        }
    ]

    assert len(found) >= 5


def test_the_trial_model_is_as_accurate_as_the_site_states(shared_dir, capsys):
    folder = shared_dir / "data" / "coco128"

    call_command(
        *("evaluate_detector", "--model", VISION_SMALL.name),
        *("--images", str(folder / "images"), "--labels", str(folder / "labels")),
    )

    measured = float(re.search(r"mAP@0.5: ([\d.]+)", capsys.readouterr().out)[1])
    assert measured == pytest.approx(VISION_SMALL.accuracy_percent / 100, abs=0.005)
