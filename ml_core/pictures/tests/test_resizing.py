from dataclasses import replace

import cv2
import numpy as np
import pytest

from ml_core.catalog.catalogue import VISION_SMALL
from ml_core.pictures.resizing import (
    GREY,
    letterbox,
    letterbox_size,
    resize_to_input,
    shrink,
    size_in_input,
    stretch,
    undo_placement,
)

WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


def test_letterbox_keeps_the_aspect_and_pads_with_grey():
    image = np.full((50, 100, 3), 200, np.uint8)

    resized, placement = letterbox(image, (64, 64))

    assert resized.shape == (64, 64, 3)
    assert (resized[16:48] == 200).all()
    assert (resized[:16] == GREY).all() and (resized[48:] == GREY).all()
    assert (placement.width, placement.height) == (1.0, 0.5)


@pytest.mark.parametrize("resolution_wh", [(773, 512), (720, 576), (576, 720), (330, 200)])
def test_letterbox_gives_the_same_picture_as_opencv(resolution_wh):
    width, height = resolution_wh
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    params = cv2.dnn.Image2BlobParams()
    params.size, params.borderValue = (416, 416), (GREY,) * 4
    params.paddingmode = cv2.dnn.DNN_PMODE_LETTERBOX

    resized, _ = letterbox(image, (416, 416))

    (expected,) = cv2.dnn.blobFromImageWithParams(image, params)
    np.testing.assert_array_equal(resized.transpose(2, 0, 1), expected)


@pytest.mark.parametrize("input_side", [320, 416, 608])
def test_letterbox_computes_sizes_in_integers_as_darknet_does(input_side):
    for side in range(8, 3000):
        for width, height in ((side, 7), (7, side), (side, 5 * side // 8 + 1)):
            expected = (
                (input_side, max(1, height * input_side // width))
                if width >= height
                else (max(1, width * input_side // height), input_side)
            )

            assert letterbox_size((width, height), (input_side, input_side)) == expected


def test_a_downscaled_copy_is_placed_like_its_original():
    copy = np.full((276, 416, 3), 200, np.uint8)

    resized, placement = letterbox(copy, (416, 416), original_wh=(773, 512))

    assert (resized[:, 0] != GREY).any(axis=1).sum() == 275
    assert placement.height == 275 / 416


def test_stretch_fills_the_input():
    image = np.full((50, 100, 3), 200, np.uint8)

    resized, _ = stretch(image, (64, 32))

    assert resized.shape == (32, 64, 3)
    assert (resized == 200).all()


@pytest.mark.parametrize("resize", [letterbox, stretch, shrink])
@pytest.mark.parametrize("resolution_wh", [(100, 50), (50, 100), (8, 4000), (64, 64)])
def test_a_box_around_the_picture_in_the_input_covers_the_whole_picture(resize, resolution_wh):
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


def test_mapped_boxes_are_clipped_to_the_picture():
    _, placement = letterbox(np.zeros((50, 100, 3), np.uint8), (64, 64))

    np.testing.assert_allclose(undo_placement(WHOLE, placement, (100, 50)), [[0, 0, 100, 50]])


def test_shrinking_averages_every_pixel_of_a_large_picture():
    stripes = np.zeros((640, 960, 3), np.uint8)
    stripes[:, ::2] = 200

    small, _ = shrink(stripes, (32, 32))

    assert small.shape == (32, 32, 3)
    assert np.abs(small.astype(int) - 100).max() <= 3


def test_shrinking_a_picture_of_the_right_size_leaves_it_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)

    np.testing.assert_array_equal(shrink(image, (32, 24))[0], image)


def test_a_letterboxed_picture_can_lie_at_the_top_left_on_another_grey():
    image = np.full((50, 100, 3), 7, np.uint8)

    resized, placement = letterbox(image, (64, 64), is_centred=False, pad_value=114)

    assert (resized[:32] == 7).all() and (resized[32:] == 114).all()
    assert (placement.left, placement.top, placement.height) == (0, 0, 0.5)


@pytest.mark.parametrize("resizing", ["letterbox", "stretch", "shrink"])
def test_the_size_in_the_input_is_that_of_the_resized_picture(resizing):
    spec = replace(VISION_SMALL, resizing=resizing, input_wh=(96, 64))

    width, height = size_in_input(spec, 1, (300, 100))

    _, placement = resize_to_input(np.zeros((100, 300, 3), np.uint8), spec)
    assert (placement.width * 96, placement.height * 64) == (width, height)
