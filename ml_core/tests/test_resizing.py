import numpy as np
import pytest

from ml_core.resizing import GREY, letterbox, stretch, thumbnail, undo_placement

WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


def test_letterbox_keeps_the_aspect_and_pads_with_grey():
    image = np.full((50, 100, 3), 200, np.uint8)

    resized, placement = letterbox(image, (64, 64))

    assert resized.shape == (64, 64, 3)
    assert (resized[16:48] == 200).all()
    assert (resized[:16] == GREY).all() and (resized[48:] == GREY).all()
    assert (placement.width, placement.height) == (1.0, 0.5)


def test_stretch_fills_the_input():
    image = np.full((50, 100, 3), 200, np.uint8)

    resized, _ = stretch(image, (64, 32))

    assert resized.shape == (32, 64, 3)
    assert (resized == 200).all()


@pytest.mark.parametrize("resize", [letterbox, stretch])
@pytest.mark.parametrize("resolution_wh", [(100, 50), (50, 100), (8, 4000), (64, 64)])
def test_a_box_around_the_picture_in_the_input_is_the_whole_picture(resize, resolution_wh):
    width, height = resolution_wh
    image = np.full((height, width, 3), 255, np.uint8)
    resized, placement = resize(image, (96, 64))
    rows, columns = np.nonzero(resized[:, :, 0] == 255)
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]) / (
        96,
        64,
        96,
        64,
    )

    boxes = undo_placement(box, placement, resolution_wh)

    np.testing.assert_allclose(boxes, [[0, 0, width, height]], atol=1e-6)


def test_no_boxes_stay_no_boxes():
    _, placement = letterbox(np.zeros((8, 8, 3), np.uint8), (32, 32))

    assert undo_placement(np.empty((0, 4)), placement, (8, 8)).shape == (0, 4)


def test_boxes_end_at_the_edges_of_the_picture():
    _, placement = letterbox(np.zeros((50, 100, 3), np.uint8), (64, 64))

    np.testing.assert_allclose(undo_placement(WHOLE, placement, (100, 50)), [[0, 0, 100, 50]])


def test_a_thumbnail_averages_every_pixel_of_a_large_picture():
    stripes = np.zeros((640, 960, 3), np.uint8)
    stripes[:, ::2] = 200

    small = thumbnail(stripes, (32, 32))

    assert small.shape == (32, 32, 3)
    assert np.abs(small.astype(int) - 100).max() <= 3


def test_a_thumbnail_of_the_right_size_stays_untouched():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)

    np.testing.assert_array_equal(thumbnail(image, (32, 24)), image)
