"""Data of a detector's training: anchors, targets, augmentation, adapted descriptions."""

import numpy as np
import pytest

from ml_core.networks.darknet_cfg import DarknetError, YoloLayer, parse_config
from ml_core.pictures.labelled_pictures import read_labelled_pictures
from ml_core.training.detection.anchors import cluster_anchors, shape_iou
from ml_core.training.detection.config import fit_config
from ml_core.training.detection.mosaic import Example, augment, mosaic
from ml_core.training.detection.yolo_targets import build_anchor_grid, build_targets
from ml_core.training.tests.drawn_scenes import COLOURS, draw_scenes, tiny_config

RED, BLUE = COLOURS


def test_anchors_are_the_centres_of_the_box_sizes():
    rng = np.random.default_rng(0)
    known = np.array([[10.0, 10.0], [60.0, 20.0], [100.0, 120.0]])
    sizes = np.repeat(known, 50, axis=0) + rng.uniform(-1, 1, (150, 2))

    anchors = cluster_anchors(rng.permutation(sizes), 3)

    np.testing.assert_allclose(anchors, known, atol=0.5)


def test_there_may_be_fewer_boxes_than_anchors():
    assert cluster_anchors(np.array([[3.0, 4.0]]), 2).tolist() == [[3, 4], [3, 4]]


def test_shape_iou_is_that_of_boxes_that_share_a_centre():
    overlaps = shape_iou(np.array([[2.0, 4.0]]), np.array([[4.0, 2.0], [2.0, 4.0], [1.0, 1.0]]))

    assert overlaps.tolist() == [[pytest.approx(4 / 12), 1, pytest.approx(1 / 8)]]


def test_a_description_is_adapted_to_side_classes_and_anchors():
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


def test_a_head_with_another_activation_is_refused():
    text = tiny_config().replace("activation=linear", "activation=logistic")
    text = text.replace("[yolo]\n", "[yolo]\nnew_coords=1\n")

    with pytest.raises(DarknetError, match="activation=linear .* received activation=logistic"):
        fit_config(text, side=64, num_classes=1, sizes_rel_wh=np.ones((1, 2)))


@pytest.fixture
def grid():
    """A head of 2 x 2 cells with anchors of 48 and 16 pixels, and one of 4 x 4 with 8 pixels."""
    large = YoloLayer(np.array([[48.0, 48.0], [16.0, 16.0]], np.float32), 5, 1.0)
    small = YoloLayer(np.array([[8.0, 8.0]], np.float32), 5, 1.0)
    return build_anchor_grid([large, small], [(2, 2), (4, 4)], (64, 64))


def test_an_object_is_matched_with_its_cell_and_the_best_anchor(grid):
    box = [0.8, 0.3, 0.7, 0.7]

    targets = build_targets(grid, np.array([box]), np.array([4]), np.array([0.5]))

    # The second cell of the first row has predictions 2 and 3.
    (row,) = np.nonzero(targets[:, 5])[0]
    assert row == 2
    np.testing.assert_allclose(targets[row], [*box, 4, 0.5], rtol=1e-6)
    np.testing.assert_allclose(grid.cells_xy[row], [1, 0])
    np.testing.assert_allclose(grid.anchors_wh[row], [0.75, 0.75])


def test_every_anchor_above_the_matching_iou_is_matched(grid):
    # 12 pixels: an IoU of 0.56 with 16 pixels, and of 0.44 with 8.
    boxes = np.array([[0.1, 0.9, 12 / 64, 12 / 64]])

    targets = build_targets(grid, boxes, np.array([0]), np.array([1.0]))

    # The third of four cells with two predictions each; after these 8, the thirteenth of 16.
    assert np.nonzero(targets[:, 5])[0].tolist() == [5, 8 + 12]


def test_of_two_objects_at_one_position_the_better_fit_is_matched(grid):
    boxes = np.array([[0.1, 0.1, 0.75, 0.75], [0.2, 0.2, 0.6, 0.6]])

    targets = build_targets(grid, boxes, np.array([1, 2]), np.ones(2))

    assert targets[0, 4] == 1


def test_an_object_on_the_edge_is_in_the_last_cell(grid):
    targets = build_targets(grid, np.array([[1.0, 1.0, 0.12, 0.12]]), np.array([0]), np.ones(1))

    assert np.nonzero(targets[:, 5])[0].tolist() == [8 + 15]


def test_neighbouring_cells_that_can_predict_the_centre_are_matched():
    grid = build_anchor_grid(
        [YoloLayer(np.array([[16.0, 16.0]], np.float32), 5, 2.0)], [(4, 4)], (64, 64)
    )
    # A quarter into the second cell of the first row: closer to the first cell than to the third,
    # and closer to the upper edge of the picture than to the row below.
    box = [1.25 / 4, 0.25 / 4, 0.25, 0.25]

    targets = build_targets(grid, np.array([box]), np.array([3]), np.ones(1))

    assert np.nonzero(targets[:, 5])[0].tolist() == [0, 1]
    np.testing.assert_allclose(targets[0], targets[1])


def test_an_objects_own_cell_is_not_matched_with_its_neighbour():
    grid = build_anchor_grid(
        [YoloLayer(np.array([[16.0, 16.0]], np.float32), 5, 2.0)], [(4, 4)], (64, 64)
    )
    # The first object fits the anchor worse than the second, which is in the neighbouring cell.
    boxes = np.array([[0.5 / 4, 0.5 / 4, 0.2, 0.2], [1.25 / 4, 0.5 / 4, 0.25, 0.25]])

    targets = build_targets(grid, boxes, np.array([1, 2]), np.ones(2))

    assert targets[:2, 4].tolist() == [1, 2]


def test_an_empty_picture_has_no_targets(grid):
    assert not build_targets(grid, np.empty((0, 4)), np.empty(0), np.empty(0)).any()


def example(colour=RED, box=(12, 20, 44, 52)) -> Example:
    """A picture of a rectangle that contrasts in every channel, and its box."""
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
def test_boxes_follow_augmentation(seed):
    changed = augment(example(), 96, np.random.default_rng(seed))

    assert changed.image.shape == (96, 96, 3)
    for box in changed.boxes_xyxy:
        np.testing.assert_allclose(box, box_of(is_red(changed.image)), atol=1.6)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_follow_their_pictures_into_a_mosaic(seed):
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


def test_pictures_are_flipped_scaled_and_recoloured():
    rng = np.random.default_rng(0)

    changed = [augment(example(), 96, rng) for _ in range(40)]

    widths = [np.ptp(one.boxes_xyxy[:, ::2]) for one in changed if len(one.boxes_xyxy)]
    assert max(widths) > 1.5 * min(widths)
    assert len({tuple(one.image[48, 48]) for one in changed}) > 10


def test_objects_mostly_outside_the_picture_are_dropped():
    edge = example(box=(0, 0, 4, 4))

    counts = [len(augment(edge, 96, np.random.default_rng(seed)).boxes_xyxy) for seed in range(40)]

    assert set(counts) == {0, 1}


def test_a_sixth_number_is_the_score_of_a_label(tmp_path):
    draw_scenes(tmp_path, 1)
    labels = tmp_path / "labels" / "00.txt"
    labels.write_text("0 0.5 0.5 0.2 0.2 0.75\n1 0.5 0.5 0.1 0.1\n")

    (picture,) = read_labelled_pictures(tmp_path / "images", tmp_path / "labels", 2)

    assert picture.scores.tolist() == [0.75, 1]
