"""The original yolov3-tiny on real photos, and on the site's own sample."""

import cv2
import numpy as np
import pytest
from django.conf import settings

from ml_core import engine
from ml_core.evaluation.accuracy import mean_average_precision
from ml_core.evaluation.tests.test_accuracy import (
    OPENCV_FLOOR,
    SAMPLES,
    as_detections,
    opencv_detect_letterboxed,
    our_detect,
    read,
)
from ml_core.pictures.drawing import class_colour, draw_detections
from ml_core.pictures.labelled_pictures import read_labelled_pictures

SAMPLE_OBJECTS = [
    *("bench", "bicycle", "car", "clock", "dog", "person", "potted plant", "potted plant"),
    *("stop sign", "umbrella"),
]


@pytest.fixture(autouse=True)
def installed(settings, patient, yolov3_tiny) -> None:
    """A site on which only yolov3-tiny is installed."""
    settings.MODEL_DIR = yolov3_tiny.directory
    settings.DETECTOR = "yolov3-tiny"
    settings.ENGINE, settings.PRECISION = "openvino", "float32"


@pytest.fixture(scope="module")
def opencv_network(yolov3_tiny, tmp_path_factory):
    """OpenCV's network with the anchors that the weights were trained with."""
    config_path, weights_path = yolov3_tiny.paths
    published = config_path.read_text(encoding="utf-8")
    assert published.count("mask = 0,1,2") == 1
    trained = tmp_path_factory.mktemp("opencv") / config_path.name
    trained.write_text(published.replace("mask = 0,1,2", "mask = 1,2,3"), encoding="utf-8")
    return cv2.dnn.readNetFromDarknet(str(trained), str(weights_path))


@pytest.mark.parametrize("name", SAMPLES)
def test_its_boxes_classes_and_scores_match_opencv(name, shared_dir, opencv_network):
    image = read(shared_dir / "samples" / f"{name}.jpg")

    boxes, scores, class_ids = our_detect(image, OPENCV_FLOOR)

    expected_boxes, expected_scores, expected_ids = opencv_detect_letterboxed(
        opencv_network, image, 416
    )
    assert len(expected_boxes) >= 1
    assert class_ids.tolist() == expected_ids.tolist()
    np.testing.assert_allclose(scores, expected_scores, atol=0.001)
    np.testing.assert_allclose(boxes, expected_boxes, atol=1)


def test_its_mean_average_precision_on_real_photos_matches_opencv(shared_dir, opencv_network):
    folder = shared_dir / "data" / "coco128"
    pictures = read_labelled_pictures(folder / "images", folder / "labels", 80)
    images = [read(picture.path) for picture in pictures]

    ours = [engine.detect(image).detections for image in images]
    # OpenCV takes long, so it gets every fourth picture.
    theirs = [
        as_detections(opencv_detect_letterboxed(opencv_network, image, 416))
        for image in images[::4]
    ]

    assert mean_average_precision(pictures, ours).map_50 == pytest.approx(0.404, abs=0.003)
    sure = [[found for found in answer if found.score >= OPENCV_FLOOR] for answer in ours[::4]]
    expected = mean_average_precision(pictures[::4], theirs)
    assert expected.map_50 == pytest.approx(0.319, abs=0.003)
    assert mean_average_precision(pictures[::4], sure).map_50 == pytest.approx(
        expected.map_50, abs=0.003
    )


def test_it_finds_each_object_of_the_sample_once_and_they_are_drawn():
    image = read(settings.BASE_DIR / "static" / "samples" / "street.jpg")

    found = engine.detect(image, score_threshold=0.25).detections
    drawn = np.asarray(draw_detections(image, found))

    best = {detection.class_name: detection for detection in reversed(found)}
    assert sorted(detection.class_name for detection in found) == SAMPLE_OBJECTS
    for name in ("clock", "stop sign"):
        left, _, right, bottom = map(round, best[name].box)
        colour = class_colour(best[name].class_id)
        assert (drawn[bottom - 1, left + 5 : right - 5] == colour).all(), name
