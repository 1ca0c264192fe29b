import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ml_core.pictures.label_places import Box, Corner, LabelLayout, place_labels

CONTRACT = Path(__file__).parents[3] / "tests" / "contract" / "label_places.json"
CASES = json.loads(CONTRACT.read_text(encoding="utf-8"))


def crowd(count: int, *, largest: float) -> tuple[list[Box], list[int], LabelLayout]:
    """Boxes of up to ``largest`` times the size of a 1280 x 720 picture, and label widths."""
    generator = np.random.default_rng(0)
    size = np.array([1280, 720])
    extent = generator.uniform([8, 8], size * largest, (count, 2))
    corner = generator.uniform([0, 0], size - extent)
    boxes = [tuple(map(float, row)) for row in np.hstack([corner, corner + extent])]
    widths = [int(width) for width in generator.integers(60, 160, count)]
    return boxes, widths, LabelLayout(1280, 720, label_height=30, gap=2)


def are_apart(one: tuple[Corner, int], other: tuple[Corner, int], layout: LabelLayout) -> bool:
    """Whether one label is entirely above the other, or the gap is between them."""
    ((x, y), width), ((other_x, other_y), other_width) = one, other
    across = max(other_x - (x + width), x - (other_x + other_width))
    return across >= layout.gap or abs(other_y - y) >= layout.label_height


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_browser_and_server_place_labels_alike(case):
    boxes = [tuple(label["box"]) for label in case["labels"]]
    widths = [label["width"] for label in case["labels"]]

    places = place_labels(boxes, widths, LabelLayout(**case["room"]))

    assert [place and list(place) for place in places] == case["places"]


@pytest.mark.parametrize("largest", [0.05, 0.2, 0.6])
def test_300_labels_do_not_overlap(largest):
    boxes, widths, layout = crowd(300, largest=largest)

    places = place_labels(boxes, widths, layout)

    placed = [(place, width) for place, width in zip(places, widths, strict=True) if place]
    assert len(placed) > 80
    assert all(are_apart(*pair, layout) for pair in combinations(placed, 2))


@pytest.mark.parametrize("largest", [0.05, 0.6])
def test_every_label_touches_its_box_and_stays_in_the_picture(largest):
    boxes, widths, layout = crowd(300, largest=largest)

    places = place_labels(boxes, widths, layout)

    for (x_min, y_min, x_max, y_max), width, place in zip(boxes, widths, places, strict=True):
        if place:
            x, y = place
            assert 0 <= x <= layout.width - width and 0 <= y <= layout.height - layout.label_height
            assert x <= x_max and x + width >= x_min - 1
            assert y <= y_max and y + layout.label_height >= y_min


def test_the_label_with_the_highest_score_gets_the_best_position():
    boxes, widths, layout = crowd(300, largest=0.2)

    places = place_labels(boxes, widths, layout)

    assert places[0] == place_labels(boxes[:1], widths[:1], layout)[0]


def test_a_label_larger_than_the_picture_is_placed_at_its_corner():
    assert place_labels([(2.5, 3.5, 8.0, 8.0)], [40], LabelLayout(8, 8, 15, 1)) == [(0, 0)]
