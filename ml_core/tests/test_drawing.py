import json
from pathlib import Path

import numpy as np
import pytest

from ml_core.drawing import class_colour, draw_detections, label_text, text_colour
from ml_core.results import Detection

CONTRACT = Path(__file__).parents[2] / "tests" / "contract" / "class_colours.json"
DOG = Detection(box=(20.0, 60.0, 180.0, 190.0), class_id=16, class_name="dog", score=0.9849)


def test_a_picture_without_detections_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)

    np.testing.assert_array_equal(np.array(draw_detections(image, [])), image)


def test_the_box_is_drawn_at_its_place_in_the_colour_of_its_class():
    image = np.full((200, 200, 3), 255, np.uint8)

    drawn = np.array(draw_detections(image, [DOG], show_names=False, show_scores=False))

    coloured = (drawn == class_colour(16)).all(axis=2)
    rows, columns = np.nonzero(coloured)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 60, 180, 190)
    assert not coloured[70:180, 30:170].any()
    assert (image == 255).all()


def test_a_label_stands_above_its_box_and_inside_at_the_upper_edge():
    image = np.full((200, 200, 3), 255, np.uint8)
    at_the_top = Detection(box=(0.0, 0.0, 199.0, 199.0), class_id=16, class_name="dog", score=0.5)

    above = np.array(draw_detections(image, [DOG])) == class_colour(16)
    inside = np.array(draw_detections(image, [at_the_top])) == class_colour(16)

    assert above[:60].all(axis=2).sum() > 200
    assert inside[3:13, 3:30].all(axis=2).mean() > 0.4


def test_lines_grow_with_the_picture():
    def line_width(side: int) -> int:
        box = (side * 0.2, side * 0.2, side * 0.8, side * 0.8)
        image = np.zeros((side, side, 3), np.uint8)
        drawn = draw_detections(image, [Detection(box, 16, "dog", 0.5)], show_names=False)
        middle_row = np.array(drawn)[side // 2, : side // 2]
        return int((middle_row == class_colour(16)).all(axis=1).sum())

    assert line_width(2000) > 2 * line_width(200)


@pytest.mark.parametrize(
    ("show_names", "show_scores", "text"),
    [(True, True, "dog 98 %"), (True, False, "dog"), (False, True, "98 %"), (False, False, "")],
)
def test_labels_hold_what_is_asked_for(show_names, show_scores, text):
    assert label_text(DOG, show_names=show_names, show_scores=show_scores) == text


def test_browser_and_server_use_the_same_colours():
    contract = json.loads(CONTRACT.read_text())

    assert contract == [
        {
            "class_id": class_id,
            "colour": list(class_colour(class_id)),
            "text_colour": list(text_colour(class_colour(class_id))),
        }
        for class_id in range(80)
    ]
