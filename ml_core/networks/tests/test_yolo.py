import numpy as np
import pytest

from ml_core.errors import InferenceFailed
from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.networks.yolo import decode_heads

LAYER = YoloLayer(np.array([[10.0, 20.0], [40.0, 30.0]], np.float32), num_classes=3, scale_x_y=1.0)
# A grid of 2 rows and 4 columns in an input of 128 x 64 pixels, everything far from an object.
INPUT_WH = (128, 64)


def empty_head() -> np.ndarray:
    head = np.zeros((2, 4, 2, 8), np.float32)
    head[..., 4] = -20
    return head


def decode(head: np.ndarray, layer: YoloLayer = LAYER, score_floor: float = 0.05):
    return decode_heads([head.reshape(2, 4, 16)], [layer], INPUT_WH, score_floor=score_floor)


def test_a_feature_map_without_objects_gives_no_boxes():
    found = decode(empty_head())

    assert found.boxes_rel_xyxy.shape == (0, 4)
    assert found.scores.shape == found.class_ids.shape == (0,)


def test_a_cell_decodes_to_a_box_around_its_centre_with_the_size_of_its_anchor():
    head = empty_head()
    head[1, 2, 1, 4] = 20
    head[1, 2, 1, 5:] = -20, 20, -20

    found = decode(head)

    # Centre (2.5 / 4, 1.5 / 2) of the input, 40 x 30 pixels large.
    expected = np.array([[80 - 20, 48 - 15, 80 + 20, 48 + 15]]) / (128, 64, 128, 64)
    np.testing.assert_allclose(found.boxes_rel_xyxy, expected, atol=1e-6)
    np.testing.assert_allclose(found.scores, [1.0], atol=1e-6)
    assert found.class_ids.tolist() == [1]


def test_one_box_may_have_several_classes():
    head = empty_head()
    head[0, 0, 0, 4] = 20
    head[0, 0, 0, 5:] = 1, -20, 2

    found = decode(head)

    assert found.class_ids.tolist() == [0, 2]
    np.testing.assert_allclose(found.boxes_rel_xyxy[0], found.boxes_rel_xyxy[1])


def test_the_score_is_objectness_times_class_probability_and_reaches_the_floor():
    head = empty_head()
    head[0, 0, 0, 4] = 0
    head[0, 0, 0, 5:] = 0, -20, -20

    assert decode(head, score_floor=0.25).scores.tolist() == [0.25]
    assert decode(head, score_floor=0.26).scores.tolist() == []


def test_scale_x_y_stretches_the_offset_around_the_middle_of_the_cell():
    head = empty_head()
    head[0, 0, 0, 0] = 20
    head[0, 0, 0, 4:6] = 20

    found = decode(head, YoloLayer(LAYER.anchors_wh, 3, scale_x_y=1.2))

    center_x = found.boxes_rel_xyxy[0, [0, 2]].mean() * 4
    assert center_x == pytest.approx(1.1)


def test_new_coords_are_logistic_already_and_sizes_are_squares():
    head = np.zeros((2, 4, 2, 8), np.float32)
    head[1, 2, 1] = 0.5, 0.75, 0.5, 0.25, 0.8, 0, 0.5, 0

    found = decode(head, YoloLayer(LAYER.anchors_wh, 3, scale_x_y=2.0, new_coords=True))

    # Centre (2.5 / 4, 2 / 2) of the input, 40 x 30 / 4 pixels large.
    expected = np.array([[80 - 20, 64 - 3.75, 80 + 20, 64 + 3.75]]) / (128, 64, 128, 64)
    np.testing.assert_allclose(found.boxes_rel_xyxy, expected, atol=1e-6)
    np.testing.assert_allclose(found.scores, [0.4], atol=1e-6)
    assert found.class_ids.tolist() == [1]


def test_a_huge_size_does_not_overflow():
    head = empty_head()
    head[0, 0, 0, 2:6] = 1000

    assert np.isfinite(decode(head).boxes_rel_xyxy).all()


def test_outputs_that_are_not_finite_raise_an_error():
    head = empty_head()
    head[0, 0, 0, 4] = np.nan

    with pytest.raises(InferenceFailed, match="not finite"):
        decode(head)
