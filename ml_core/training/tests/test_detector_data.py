"""What a detector is trained on: anchors, targets, augmented pictures, fitted descriptions."""

import numpy as np
import pytest

from ml_core.networks.darknet_cfg import DarknetError, YoloLayer, parse_config
from ml_core.pictures.labelled_pictures import read_labelled_pictures
from ml_core.training.detection.anchors import cluster_anchors, shape_iou
from ml_core.training.detection.config import fit_config
from ml_core.training.detection.mosaic import Example, alone, mosaic
from ml_core.training.detection.yolo_targets import slots_of, targets_of
from ml_core.training.tests.drawn_scenes import COLOURS, draw_scenes, tiny_config

RED, BLUE = COLOURS


def test_anchors_are_the_sizes_that_the_boxes_have():
    rng = np.random.default_rng(0)
    known = np.array([[10.0, 10.0], [60.0, 20.0], [100.0, 120.0]])
    sizes = np.repeat(known, 50, axis=0) + rng.uniform(-1, 1, (150, 2))

    anchors = cluster_anchors(rng.permutation(sizes), 3)

    np.testing.assert_allclose(anchors, known, atol=0.5)


def test_fewer_boxes_than_anchors_are_enough():
    assert cluster_anchors(np.array([[3.0, 4.0]]), 2).tolist() == [[3, 4], [3, 4]]


def test_shapes_overlap_as_boxes_on_one_centre():
    overlaps = shape_iou(np.array([[2.0, 4.0]]), np.array([[4.0, 2.0], [2.0, 4.0], [1.0, 1.0]]))

    assert overlaps.tolist() == [[pytest.approx(4 / 12), 1, pytest.approx(1 / 8)]]


def test_a_description_is_fitted_to_side_classes_and_anchors():
    text = fit_config(
        tiny_config() + "# the end\n",
        side=96,
        num_classes=3,
        sizes_rel_wh=np.array([[0.1, 0.1], [0.3, 0.2], [0.9, 0.8]]),
    )

    config = parse_config(text)
    assert config.input_wh == (96, 96)
    assert [layer.num_classes for layer in config.yolo_layers] == [3, 3]
    small, large = config.yolo_layers[1], config.yolo_layers[0]
    np.testing.assert_allclose(small.anchors_wh, [[9.6, 9.6]], atol=0.1)
    np.testing.assert_allclose(large.anchors_wh, [[28.8, 19.2], [86.4, 76.8]], atol=0.1)
    heads = [s for s in config.sections if s.options.get("activation") == "linear"]
    assert [head.options.get("filters") for head in heads] == [None, "16", "8"]
    assert text.endswith("# the end\n")


def test_a_head_without_a_convolution_before_it_is_refused():
    text = "[net]\nwidth=32\nheight=32\n[yolo]\nmask=0\nanchors=1,1\nclasses=1\nnum=1\n"

    with pytest.raises(DarknetError, match="expected .convolutional. in front of it"):
        fit_config(text, side=32, num_classes=1, sizes_rel_wh=np.ones((1, 2)))


@pytest.fixture
def slots():
    """Two cells by two with anchors of 48 and 16 pixels, four by four with one of 8."""
    large = YoloLayer(np.array([[48.0, 48.0], [16.0, 16.0]], np.float32), 5, 1.0)
    small = YoloLayer(np.array([[8.0, 8.0]], np.float32), 5, 1.0)
    return slots_of([large, small], [(2, 2), (4, 4)], (64, 64))


def test_an_object_is_answered_by_its_cell_and_the_anchor_of_its_shape(slots):
    box = [0.8, 0.3, 0.7, 0.7]

    targets = targets_of(slots, np.array([box]), np.array([4]), np.array([0.5]))

    # The second cell of the first row has the boxes 2 and 3.
    (row,) = np.nonzero(targets[:, 5])[0]
    assert row == 2
    np.testing.assert_allclose(targets[row], [*box, 4, 0.5], rtol=1e-6)
    np.testing.assert_allclose(slots.cells_xy[row], [1, 0])
    np.testing.assert_allclose(slots.anchors_wh[row], [0.75, 0.75])


def test_an_anchor_that_overlaps_enough_answers_too(slots):
    # 12 pixels: an overlap of 0.56 with 16 pixels, and of 0.44 with 8.
    boxes = np.array([[0.1, 0.9, 12 / 64, 12 / 64]])

    targets = targets_of(slots, boxes, np.array([0]), np.array([1.0]))

    # The third of four cells with two boxes each; behind these 8, the thirteenth of 16.
    assert np.nonzero(targets[:, 5])[0].tolist() == [5, 8 + 12]


def test_of_two_objects_in_one_place_the_better_fit_is_learnt(slots):
    boxes = np.array([[0.1, 0.1, 0.75, 0.75], [0.2, 0.2, 0.6, 0.6]])

    targets = targets_of(slots, boxes, np.array([1, 2]), np.ones(2))

    assert targets[0, 4] == 1


def test_an_object_at_the_very_edge_stays_in_the_last_cell(slots):
    targets = targets_of(slots, np.array([[1.0, 1.0, 0.12, 0.12]]), np.array([0]), np.ones(1))

    assert np.nonzero(targets[:, 5])[0].tolist() == [8 + 15]


def test_cells_that_can_answer_a_centre_beside_them_learn_the_object_too():
    slots = slots_of([YoloLayer(np.array([[16.0, 16.0]], np.float32), 5, 2.0)], [(4, 4)], (64, 64))
    # A quarter into the second cell of the first row: nearer to the first cell than to the third,
    # and nearer to the edge above, where no cell is, than to the row below.
    box = [1.25 / 4, 0.25 / 4, 0.25, 0.25]

    targets = targets_of(slots, np.array([box]), np.array([3]), np.ones(1))

    assert np.nonzero(targets[:, 5])[0].tolist() == [0, 1]
    np.testing.assert_allclose(targets[0], targets[1])


def test_an_object_keeps_its_own_cell_before_its_neighbours():
    slots = slots_of([YoloLayer(np.array([[16.0, 16.0]], np.float32), 5, 2.0)], [(4, 4)], (64, 64))
    # The first fits the anchor worse than the second, whose neighbour its cell is.
    boxes = np.array([[0.5 / 4, 0.5 / 4, 0.2, 0.2], [1.25 / 4, 0.5 / 4, 0.25, 0.25]])

    targets = targets_of(slots, boxes, np.array([1, 2]), np.ones(2))

    assert targets[:2, 4].tolist() == [1, 2]


def test_nothing_is_wanted_of_an_empty_picture(slots):
    assert not targets_of(slots, np.empty((0, 4)), np.empty(0), np.empty(0)).any()


def example(colour=RED, box=(12, 20, 44, 52)) -> Example:
    """A rectangle that stands out in every channel, and its box."""
    image = np.full((80, 60, 3), 90, np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = colour
    return Example(image, np.array([box], float), np.array([[1.0, 1.0]]))


def box_of(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def is_red(image: np.ndarray) -> np.ndarray:
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return red > 1.2 * np.maximum(green, blue)


@pytest.mark.parametrize("seed", range(20))
def test_a_box_stays_on_its_rectangle_however_the_picture_is_moved(seed):
    changed = alone(example(), 96, np.random.default_rng(seed))

    assert changed.image.shape == (96, 96, 3)
    for box in changed.boxes_xyxy:
        np.testing.assert_allclose(box, box_of(is_red(changed.image)), atol=1.6)


@pytest.mark.parametrize("seed", range(20))
def test_in_a_mosaic_every_box_stays_on_its_rectangle(seed):
    grey = Example(np.full((70, 70, 3), 90, np.uint8), np.empty((0, 4)), np.empty((0, 2)))
    blue = example(BLUE)
    examples = [blue, grey, example(RED), blue]

    changed = mosaic(examples, 128, np.random.default_rng(seed))

    red = is_red(changed.image)
    boxes = [box.round().astype(int) for box in changed.boxes_xyxy]
    shares = [red[top:bottom, left:right].mean() for left, top, right, bottom in boxes]
    assert all(share > 0.8 or share < 0.05 for share in shares)
    if any(share > 0.8 for share in shares):
        best = changed.boxes_xyxy[int(np.argmax(shares))]
        np.testing.assert_allclose(best, box_of(red), atol=1.6)


def test_pictures_are_mirrored_scaled_and_coloured():
    rng = np.random.default_rng(0)

    changed = [alone(example(), 96, rng) for _ in range(40)]

    widths = [np.ptp(one.boxes_xyxy[:, ::2]) for one in changed if len(one.boxes_xyxy)]
    assert max(widths) > 1.5 * min(widths)
    assert len({tuple(one.image[48, 48]) for one in changed}) > 10


def test_what_has_nearly_left_the_picture_is_no_longer_labelled():
    edge = example(box=(0, 0, 4, 4))

    counts = [len(alone(edge, 96, np.random.default_rng(seed)).boxes_xyxy) for seed in range(40)]

    assert set(counts) == {0, 1}


def test_a_sixth_number_is_the_score_of_a_label(tmp_path):
    draw_scenes(tmp_path, 1)
    labels = tmp_path / "labels" / "00.txt"
    labels.write_text("0 0.5 0.5 0.2 0.2 0.75\n1 0.5 0.5 0.1 0.1\n")

    (picture,) = read_labelled_pictures(tmp_path / "images", tmp_path / "labels", 2)

    assert picture.scores.tolist() == [0.75, 1]
