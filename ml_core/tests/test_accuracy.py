"""What a picture's upload finds, against OpenCV's reader: boxes, scores, and mAP on real photos."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ml_core import engine
from ml_core.boxes import box_iou, clip_boxes, cxcywh_to_xyxy, non_max_suppression
from ml_core.images import ImageLimits, decode_image

SAMPLES = ["cars", "dog", "eagle", "giraffe", "horses", "kite", "person"]
# OpenCV's own layer leaves out everything that is less sure.
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
    """Boxes as OpenCV decodes them, in pixels, suppressed as ours are."""
    height, width = image.shape[:2]
    network.setInput(cv2.dnn.blobFromImage(cv2.resize(image, (320, 320)), 1 / 255, (320, 320)))
    rows = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))
    row_ids, class_ids = np.nonzero(rows[:, 5:] >= OPENCV_FLOOR)
    scores = rows[row_ids, 5 + class_ids]
    boxes = cxcywh_to_xyxy(rows[row_ids, :4]) * (width, height, width, height)
    boxes = clip_boxes(boxes, (width, height))
    kept = non_max_suppression(
        boxes, scores, class_ids, iou_threshold=engine.IOU_THRESHOLD, max_detections=300
    )
    return boxes[kept], scores[kept], class_ids[kept]


def our_detect(image: np.ndarray, score_threshold: float) -> Found:
    found = engine.detect(image, score_threshold=score_threshold).detections
    return (
        np.array([detection.box for detection in found]).reshape(-1, 4),
        np.array([detection.score for detection in found]),
        np.array([detection.class_id for detection in found], int),
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_boxes_classes_and_scores_are_those_of_opencv(name, shared_dir, opencv_network):
    image = read(shared_dir / "samples" / f"{name}.jpg")

    boxes, scores, class_ids = our_detect(image, OPENCV_FLOOR)

    expected_boxes, expected_scores, expected_ids = opencv_detect(opencv_network, image)
    assert len(expected_boxes) >= 1
    assert class_ids.tolist() == expected_ids.tolist()
    np.testing.assert_allclose(scores, expected_scores, atol=0.01)
    assert (np.diag(box_iou(boxes, expected_boxes)) > 0.99).all()


def test_the_mean_average_precision_on_real_photos_is_that_of_opencv(shared_dir, opencv_network):
    folder = shared_dir / "data" / "coco128"
    pictures = sorted((folder / "images").glob("*.jpg"))
    assert len(pictures) == 128
    truth = [read_labels(folder / "labels" / f"{path.stem}.txt", path) for path in pictures]

    ours = [our_detect(read(path), OPENCV_FLOOR) for path in pictures]
    theirs = [opencv_detect(opencv_network, read(path)) for path in pictures]

    assert mean_average_precision(theirs, truth) == pytest.approx(0.383, abs=0.001)
    assert mean_average_precision(ours, truth) == pytest.approx(0.383, abs=0.005)


def read_labels(path: Path, picture: Path) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) xyxy in pixels and class ids of a label file in YOLO's format."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = np.array([line.split() for line in lines], float).reshape(-1, 5)
    height, width = cv2.imread(str(picture)).shape[:2]
    return cxcywh_to_xyxy(rows[:, 1:]) * (width, height, width, height), rows[:, 0].astype(int)


def mean_average_precision(found: list[Found], truth: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """mAP at an IoU of 0.5, the precision averaged over 101 recalls as COCO does."""
    classes = np.unique(np.concatenate([class_ids for _, class_ids in truth]))
    return float(np.mean([average_precision(found, truth, class_id) for class_id in classes]))


def average_precision(found, truth, class_id: int) -> float:
    outcomes: list[tuple[float, bool]] = []
    total = 0
    for (boxes, scores, class_ids), (true_boxes, true_ids) in zip(found, truth, strict=True):
        true_boxes = true_boxes[true_ids == class_id]
        total += len(true_boxes)
        free = np.ones(len(true_boxes), bool)
        for index in np.nonzero(class_ids == class_id)[0]:
            overlap = box_iou(boxes[[index]], true_boxes)[0] * free
            hit = bool(overlap.size and overlap.max() >= 0.5)
            if hit:
                free[overlap.argmax()] = False
            outcomes.append((scores[index], hit))
    hits = np.array([hit for _, hit in sorted(outcomes, key=lambda outcome: -outcome[0])], float)
    if not hits.size:
        return 0.0
    recall, precision = hits.cumsum() / total, hits.cumsum() / np.arange(1, len(hits) + 1)
    best_precision = np.maximum.accumulate(precision[::-1])[::-1]
    positions = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.append(best_precision, 0)[positions].mean())
