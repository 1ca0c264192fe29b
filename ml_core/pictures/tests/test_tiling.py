"""Tiles of pictures, and the candidates found in them."""

import numpy as np
import pytest

from ml_core.networks.yolo import Candidates
from ml_core.pictures.tiling import OVERLAP, WHOLE, Tile, merged, tiles_of


def candidates(*boxes: tuple[float, float, float, float]) -> Candidates:
    count = len(boxes)
    return Candidates(np.array(boxes).reshape(-1, 4), np.ones(count), np.zeros(count, int))


def test_one_tile_is_the_whole_picture():
    found = Candidates(np.ones((2, 4)), np.ones(2), np.ones(2), is_final=True)

    assert tiles_of(1) == [WHOLE]
    assert merged(tiles_of(1), [found]) is found


@pytest.mark.parametrize("count", [2, 3])
def test_tiles_cover_the_picture_and_overlap(count):
    whole, *tiles = tiles_of(count)

    image = np.zeros((90, 120, 3))
    for tile in tiles:
        tile.cut(image)[:] += 1
    assert whole == WHOLE and len(tiles) == count**2
    assert image.min() == 1 and image.max() == 4
    side = tiles[0].right
    assert tiles[0].right - tiles[1].left == pytest.approx(OVERLAP * side)


def test_boxes_of_tiles_become_those_of_the_picture():
    tiles = [WHOLE, Tile(0.5, 0.25, 1, 0.75)]

    found = merged(tiles, [candidates((0, 0, 1, 1)), candidates((0.2, 0.4, 0.4, 0.6))])

    assert found.boxes_rel_xyxy == pytest.approx(np.array([[0, 0, 1, 1], [0.6, 0.45, 0.7, 0.55]]))
    assert (len(found.scores), len(found.class_ids)) == (2, 2)


def test_cut_and_large_boxes_of_tiles_are_left_out():
    upper_left = Tile(0, 0, 0.6, 0.6)
    at_the_pictures_edge, inside = (0, 0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6)
    cut, large = (0.9, 0.5, 1, 0.6), (0.2, 0.2, 0.8, 0.8)

    found = merged(
        [WHOLE, upper_left],
        [candidates(), candidates(at_the_pictures_edge, cut, large, inside)],
    )

    assert found.boxes_rel_xyxy == pytest.approx(np.array([at_the_pictures_edge, inside]) * 0.6)


def test_nothing_found_is_nothing_merged():
    tiles = tiles_of(2)

    assert merged(tiles, [candidates()] * 5).boxes_rel_xyxy.shape == (0, 4)
