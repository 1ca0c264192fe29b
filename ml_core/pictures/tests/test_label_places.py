import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ml_core.pictures.label_places import Box, Place, Room, label_places

CONTRACT = Path(__file__).parents[3] / "tests" / "contract" / "label_places.json"
CASES = json.loads(CONTRACT.read_text(encoding="utf-8"))


def crowd(count: int, *, largest: float) -> tuple[list[Box], list[int], Room]:
    """Boxes in a 1280 x 720 picture, up to ``largest`` of its size, with labels to be placed."""
    generator = np.random.default_rng(0)
    size = np.array([1280, 720])
    extent = generator.uniform([8, 8], size * largest, (count, 2))
    corner = generator.uniform([0, 0], size - extent)
    boxes = [tuple(map(float, row)) for row in np.hstack([corner, corner + extent])]
    widths = [int(width) for width in generator.integers(60, 160, count)]
    return boxes, widths, Room(1280, 720, label_height=30, gap=2)


def are_apart(one: tuple[Place, int], other: tuple[Place, int], room: Room) -> bool:
    """Whether one label ends above the other, or the gap lies between them."""
    ((x, y), width), ((other_x, other_y), other_width) = one, other
    across = max(other_x - (x + width), x - (other_x + other_width))
    return across >= room.gap or abs(other_y - y) >= room.label_height


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_browser_and_server_put_labels_at_the_same_places(case):
    boxes = [tuple(label["box"]) for label in case["labels"]]
    widths = [label["width"] for label in case["labels"]]

    places = label_places(boxes, widths, Room(**case["room"]))

    assert [place and list(place) for place in places] == case["places"]


@pytest.mark.parametrize("largest", [0.05, 0.2, 0.6])
def test_labels_never_cover_each_other_even_with_300_boxes(largest):
    boxes, widths, room = crowd(300, largest=largest)

    places = label_places(boxes, widths, room)

    placed = [(place, width) for place, width in zip(places, widths, strict=True) if place]
    assert len(placed) > 80
    assert all(are_apart(*pair, room) for pair in combinations(placed, 2))


@pytest.mark.parametrize("largest", [0.05, 0.6])
def test_every_label_touches_its_box_and_stays_in_the_picture(largest):
    boxes, widths, room = crowd(300, largest=largest)

    places = label_places(boxes, widths, room)

    for (x_min, y_min, x_max, y_max), width, place in zip(boxes, widths, places, strict=True):
        if place:
            x, y = place
            assert 0 <= x <= room.width - width and 0 <= y <= room.height - room.label_height
            assert x <= x_max and x + width >= x_min - 1
            assert y <= y_max and y + room.label_height >= y_min


def test_the_surest_keeps_the_best_place():
    boxes, widths, room = crowd(300, largest=0.2)

    places = label_places(boxes, widths, room)

    assert places[0] == label_places(boxes[:1], widths[:1], room)[0]


def test_a_picture_smaller_than_a_label_has_it_at_its_corner():
    assert label_places([(2.5, 3.5, 8.0, 8.0)], [40], Room(8, 8, 15, 1)) == [(0, 0)]
