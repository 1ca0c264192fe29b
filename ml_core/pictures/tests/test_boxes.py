import numpy as np
import pytest

from ml_core.pictures.boxes import box_iou, clip_boxes, cxcywh_to_xyxy, non_max_suppression

NO_BOXES = np.empty((0, 4))


@pytest.mark.parametrize(
    ("boxes_cxcywh", "boxes_xyxy"),
    [
        (NO_BOXES, NO_BOXES),
        (np.array([[5.0, 5.0, 4.0, 2.0]]), np.array([[3.0, 4.0, 7.0, 6.0]])),
    ],
)
def test_centre_and_size_become_corners(boxes_cxcywh, boxes_xyxy):
    np.testing.assert_allclose(cxcywh_to_xyxy(boxes_cxcywh), boxes_xyxy)


@pytest.mark.parametrize(
    ("boxes_xyxy", "clipped"),
    [
        (NO_BOXES, NO_BOXES),
        (np.array([[-5.0, 1.0, 30.0, 40.0]]), np.array([[0.0, 1.0, 20.0, 10.0]])),
        (np.array([[-np.inf, 0.0, np.inf, 5.0]]), np.array([[0.0, 0.0, 20.0, 5.0]])),
    ],
)
def test_boxes_are_clipped_to_the_picture(boxes_xyxy, clipped):
    np.testing.assert_allclose(clip_boxes(boxes_xyxy, (20, 10)), clipped)


def test_iou_of_no_boxes_is_an_empty_matrix():
    boxes = np.array([[0.0, 0.0, 1.0, 1.0]])

    assert box_iou(NO_BOXES, boxes).shape == (0, 1)
    assert box_iou(boxes, NO_BOXES).shape == (1, 0)


def test_iou_is_intersection_over_union():
    boxes_a = np.array([[0.0, 0.0, 2.0, 2.0]])
    boxes_b = np.array([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0], [5.0, 5.0, 6.0, 6.0]])

    np.testing.assert_allclose(box_iou(boxes_a, boxes_b), [[1.0, 1 / 7, 0.0]])


def test_iou_of_boxes_without_area_is_zero():
    points = np.zeros((2, 4))

    np.testing.assert_array_equal(box_iou(points, points), np.zeros((2, 2)))


def suppress(boxes, scores, class_ids, iou_threshold=0.5, max_detections=300):
    return non_max_suppression(
        np.asarray(boxes, float).reshape(-1, 4),
        np.asarray(scores, float),
        np.asarray(class_ids, int),
        iou_threshold=iou_threshold,
        max_detections=max_detections,
    ).tolist()


def test_suppression_of_no_boxes_keeps_none():
    assert suppress([], [], []) == []


def test_the_box_with_the_higher_score_suppresses_the_other():
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]]

    assert suppress(boxes, [0.6, 0.9, 0.3], [7, 7, 7]) == [1, 2]


def test_boxes_of_other_classes_do_not_suppress_each_other():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 10]]

    assert suppress(boxes, [0.6, 0.9], [7, 8]) == [1, 0]


def test_an_overlap_of_exactly_the_threshold_is_not_suppressed():
    boxes = [[0, 0, 2, 1], [0, 0, 1, 1]]

    assert suppress(boxes, [0.9, 0.8], [0, 0], iou_threshold=0.5) == [0, 1]
    assert suppress(boxes, [0.9, 0.8], [0, 0], iou_threshold=0.49) == [0]


def test_only_the_highest_scores_are_kept_above_max_detections():
    boxes = [[10 * i, 0, 10 * i + 5, 5] for i in range(5)]

    assert suppress(boxes, [0.1, 0.5, 0.3, 0.4, 0.2], [0] * 5, max_detections=2) == [1, 3]
