"""The detection loss, compared with values computed by hand."""

import numpy as np
import pytest
from keras import ops

from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.networks.yolo import decode_heads
from ml_core.pictures.boxes import box_iou, cxcywh_to_xyxy
from ml_core.training.detection.yolo_loss import (
    best_iou,
    complete_iou,
    decode,
    join_heads,
    yolo_loss,
)
from ml_core.training.detection.yolo_targets import build_anchor_grid, build_targets

LAYERS = [
    YoloLayer(np.array([[48.0, 40.0], [20.0, 16.0]], np.float32), 3, 1.0),
    YoloLayer(np.array([[8.0, 8.0]], np.float32), 3, 1.2),
]
GRID = build_anchor_grid(LAYERS, [(3, 2), (6, 4)], (96, 64))
BOXES = np.array([[0.3, 0.6, 0.5, 0.5], [0.7, 0.2, 0.1, 0.1]], np.float32)
TARGETS = build_targets(GRID, BOXES, np.array([2, 0]), np.array([1.0, 1.0]))


def loss(raw: np.ndarray, targets: np.ndarray = TARGETS, boxes: np.ndarray = BOXES) -> float:
    return float(yolo_loss(ops.array(raw[None]), targets[None], boxes[None], GRID))


def perfect() -> np.ndarray:
    """Raw predictions that decode to the targets, with the highest confidence."""
    raw = np.full((len(GRID), 8), -20, np.float32)
    hit = np.nonzero(TARGETS[:, 5])[0]
    offsets = TARGETS[hit, :2] * GRID.grids_wh[hit] - GRID.cells_xy[hit]
    offsets = (offsets + (GRID.scales[hit] - 1) / 2) / GRID.scales[hit]
    raw[hit, :2] = np.log(offsets / (1 - offsets))
    raw[hit, 2:4] = np.log(TARGETS[hit, 2:4] / GRID.anchors_wh[hit])
    raw[hit, 4] = 20
    raw[hit, 5 + TARGETS[hit, 4].astype(int)] = 20
    return raw


def test_predictions_are_decoded_as_in_inference():
    rng = np.random.default_rng(0)
    heads = [rng.normal(size=(2, 3, 16)), rng.normal(size=(4, 6, 8))]
    heads = [head.astype(np.float32) for head in heads]

    raw = join_heads([ops.array(head[None]) for head in heads], 3)
    boxes = np.array(decode(raw, GRID))[0]

    expected = decode_heads(heads, LAYERS, (96, 64), score_floor=0.0).boxes_rel_xyxy
    np.testing.assert_allclose(cxcywh_to_xyxy(boxes), expected[::3], atol=1e-5)


def test_a_perfect_prediction_has_no_loss():
    assert loss(perfect()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("value", range(8))
def test_every_wrong_value_of_an_object_adds_loss(value):
    raw = perfect()
    (hit, *_) = np.nonzero(TARGETS[:, 5])[0]

    raw[hit, value] = -raw[hit, value] + 0.5

    assert loss(raw) > 0.01


def test_a_false_positive_adds_loss():
    raw = perfect()
    nothing = np.nonzero(TARGETS[:, 5] == 0)[0][0]

    raw[nothing, 4] = 5

    assert loss(raw) == pytest.approx(5 / TARGETS[:, 5].sum(), rel=0.05)


def test_a_prediction_with_a_high_iou_is_not_trained_as_background():
    raw = perfect()
    # The other anchor of the first object's cell, scaled to the object's size.
    (hit, *_) = np.nonzero(TARGETS[:, 5])[0]
    other = hit + 1
    assert TARGETS[other, 5] == 0
    raw[other, :2] = raw[hit, :2]
    raw[other, 2:4] = np.log(BOXES[0, 2:] / GRID.anchors_wh[other])

    raw[other, 4] = 5

    assert loss(raw) == pytest.approx(0, abs=1e-4)


def test_labels_of_low_weight_add_less_loss():
    raw = np.zeros((len(GRID), 8), np.float32)
    doubtful = TARGETS.copy()
    doubtful[TARGETS[:, 4] == 2, 5] = 0.1

    of_all = loss(raw) * TARGETS[:, 5].sum()
    of_doubtful = loss(raw, doubtful) * doubtful[:, 5].sum()

    assert of_doubtful < of_all


def test_the_loss_of_empty_pictures_is_that_of_false_positives():
    nothing = np.zeros_like(TARGETS)
    silent = np.full((len(GRID), 8), -20, np.float32)

    assert loss(silent, nothing, BOXES * 0) == pytest.approx(0, abs=1e-4)
    assert loss(silent * 0, nothing, BOXES * 0) == pytest.approx(len(GRID) * np.log(2), rel=1e-3)


def test_best_iou_is_that_of_box_iou():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.1, 0.6, (2, 5, 4)).astype(np.float32)

    overlaps = np.array(best_iou(ops.array(first[None]), second[None]))[0]

    expected = box_iou(cxcywh_to_xyxy(first), cxcywh_to_xyxy(second)).max(axis=1)
    np.testing.assert_allclose(overlaps, expected, atol=1e-5)


def test_complete_iou_matches_known_values():
    a = ops.array(np.array([[0.2, 0.5, 0.2, 0.2], [0.5, 0.5, 0.4, 0.2]], np.float32))
    b = np.array([[0.6, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.4]], np.float32)

    apart, turned = np.array(complete_iou(a, b))

    # Centres 0.4 apart in an outer box of 0.6 by 0.2.
    assert apart == pytest.approx(-0.16 / 0.4, abs=1e-4)
    aspect = 4 / np.pi**2 * (np.arctan(2) - np.arctan(0.5)) ** 2
    assert turned == pytest.approx(1 / 3 - aspect**2 / (2 / 3 + aspect), abs=1e-4)
