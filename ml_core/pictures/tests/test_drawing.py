import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_core.labels import class_names
from ml_core.pictures.drawing import (
    _font_for,
    class_colour,
    draw_detections,
    label_text,
    text_colour,
)
from ml_core.pictures.track_drawing import Overlay
from ml_core.results import Detection

CONTRACT = Path(__file__).parents[3] / "tests" / "contract" / "class_colours.json"
DOG = Detection(box=(20.0, 60.0, 180.0, 190.0), class_id=16, class_name="dog", score=0.9849)


def test_a_picture_without_detections_is_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)

    np.testing.assert_array_equal(np.array(draw_detections(image, [])), image)


def test_a_box_is_drawn_at_its_coordinates_in_the_colour_of_its_class():
    image = np.full((200, 200, 3), 255, np.uint8)

    drawn = np.array(draw_detections(image, [DOG], show_names=False, show_scores=False))

    coloured = (drawn == class_colour(16)).all(axis=2)
    rows, columns = np.nonzero(coloured)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 60, 180, 190)
    assert not coloured[70:180, 30:170].any()
    assert (image == 255).all()


def test_a_label_is_above_its_box_or_inside_it_at_the_top_of_the_picture():
    image = np.full((200, 200, 3), 255, np.uint8)
    at_the_top = Detection(box=(0.0, 0.0, 199.0, 199.0), class_id=16, class_name="dog", score=0.5)

    above = np.array(draw_detections(image, [DOG])) == class_colour(16)
    inside = np.array(draw_detections(image, [at_the_top])) == class_colour(16)

    assert above[:60].all(axis=2).sum() > 200
    assert inside[3:13, 3:30].all(axis=2).mean() > 0.4


def test_labels_of_two_boxes_at_the_same_position_do_not_overlap():
    image = np.full((200, 200, 3), 255, np.uint8)
    cat = replace(DOG, class_id=15, class_name="cat", score=0.6)

    drawn = np.array(draw_detections(image, [cat, DOG]))

    alone = np.array(draw_detections(image, [DOG]))
    np.testing.assert_array_equal(drawn[:60], alone[:60])
    in_cat_label = (drawn[63:75, 23:50] == class_colour(15)).all(axis=2)
    assert in_cat_label.mean() > 0.4


def test_line_width_scales_with_the_picture():
    def line_width(side: int) -> int:
        box = (side * 0.2, side * 0.2, side * 0.8, side * 0.8)
        image = np.zeros((side, side, 3), np.uint8)
        drawn = draw_detections(image, [Detection(box, 16, "dog", 0.5)], show_names=False)
        middle_row = np.array(drawn)[side // 2, : side // 2]
        return int((middle_row == class_colour(16)).all(axis=1).sum())

    assert line_width(2000) > 2 * line_width(200)


@pytest.mark.parametrize(
    ("show_names", "show_scores", "text"),
    [(True, True, "dog 98%"), (True, False, "dog"), (False, True, "98%"), (False, False, "")],
)
def test_labels_show_names_and_scores_as_requested(show_names, show_scores, text):
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


def label_in(language: str, detection: Detection = DOG) -> np.ndarray:
    """The pixel rows of the label with class names in ``language``."""
    image = np.full((200, 200, 3), 255, np.uint8)
    drawn = draw_detections(image, [detection], show_scores=False, language=language)
    return np.array(drawn)[:60]


def test_names_are_drawn_in_the_requested_language():
    chinese = label_text(DOG, show_names=True, show_scores=True, language="zh-hans")

    assert chinese == "狗 98%"
    assert not np.array_equal(label_in("zh-hans"), label_in("en"))
    np.testing.assert_array_equal(label_in("fr"), label_in("en"))


def test_the_font_has_every_character_of_the_chinese_names():
    font = _font_for("狗", 40)
    missing = bytes(font.getmask("\U0010fffd"))
    letters = set("".join(class_names("zh-hans").values()))

    assert any(missing)
    assert [letter for letter in sorted(letters) if bytes(font.getmask(letter)) == missing] == []


def test_chinese_names_of_a_user_model_are_drawn_as_well():
    tomato, plum = (replace(DOG, class_name=name) for name in ("番茄", "李子"))

    assert not np.array_equal(label_in("en", tomato), label_in("en", plum))


def test_chinese_characters_stay_inside_their_label():
    drawn = label_in("zh-hans", replace(DOG, class_name="refrigerator"))
    in_label = (drawn == class_colour(16)).all(axis=2)
    rows, columns = np.nonzero(in_label)
    label = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

    for edge in (label[0], label[-1], label[:, 0], label[:, -1]):
        assert (edge == class_colour(16)).all()


def test_tracks_have_colours_of_their_own_and_what_has_none_is_grey():
    image = np.full((200, 200, 3), 255, np.uint8)
    tracked, other = replace(DOG, track_id=3), replace(DOG, box=(20.0, 10.0, 60.0, 50.0))
    tail = np.array([[100.0, 40.0], [100.0, 60.0]])

    drawn = np.array(
        draw_detections(
            image,
            [tracked, other],
            show_names=False,
            show_scores=False,
            overlay=Overlay([(3, tail)], [], []),
        )
    )

    assert tuple(drawn[100, 20]) == tuple(drawn[45, 100]) == class_colour(3)
    assert tuple(drawn[30, 20]) == (128, 128, 128)
    assert label_text(tracked, show_names=True, show_scores=True) == "#3 dog 98%"


def test_the_counts_of_lines_and_zones_are_written_within_the_picture():
    image = np.full((200, 200, 3), 100, np.uint8)
    overlay = Overlay(None, [((0, 0, 199, 0), "in 2, out 1")], [((20, 99, 90, 99, 90, 199), "1")])

    drawn = np.array(draw_detections(image, [DOG], overlay=overlay))

    # The text's background, and that of the zone's text, which is at its middle.
    assert (drawn[4, 80:120] != 100).all()
    assert tuple(drawn[60, 100]) == class_colour(16)
    # The zone is lighter than what is beside it.
    assert drawn[150, 86].min() > 100
