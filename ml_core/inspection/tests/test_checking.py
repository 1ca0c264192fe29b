"""Input formats are chosen by labelled pictures."""

from pathlib import Path

import numpy as np
import pytest

from ml_core.catalog.formats import ModelFileError
from ml_core.inspection.adding import Places, Understood, add_model
from ml_core.inspection.answers import Answers
from ml_core.inspection.checking import Checker
from ml_core.inspection.labelled_sets import spread
from ml_core.pictures.tests.test_detection_sets import coco_set
from ml_core.tests.colour_pictures import BLUE, RED, write_pictures, zipped
from ml_core.tests.model_files import brightest_onnx, fixed_onnx

SAMPLE = np.zeros((8, 8, 3), np.uint8)
COLOURS = {"blue": BLUE, "red": RED}


@pytest.fixture
def first_channel(tmp_path) -> Path:
    return brightest_onnx(tmp_path / "net.onnx")


def checked(model: Path, pictures: Path, told: list, **answers: object) -> Understood:
    places = Places(pictures.parent / "models", pictures.parent / "converted", 10**8)
    check = Checker(pictures, lambda done, total: told.append((done, total)))
    samples = {"classification": SAMPLE, "detection": SAMPLE}
    return add_model([model], samples, Answers(**answers), places, is_dry_run=True, check=check)


def test_the_order_of_colours_is_the_one_that_is_right(first_channel, tmp_path):
    write_pictures(tmp_path / "set" / "test", COLOURS)
    write_pictures(tmp_path / "set" / "train", {**COLOURS, "red": BLUE})
    told: list[tuple[int, int]] = []

    found = checked(first_channel, zipped(tmp_path / "set", tmp_path / "set.zip"), told)

    assert found.spec.input.colours == "BGR"
    assert found.spec.accuracy_percent == 100
    assert found.spec.labels == ("blue", "red")
    assert not any(note.option for note in found.notes)
    tried = [str(note) for note in found.notes if note.subject == "check"]
    assert "check     RGB, 0 to 255 (top-1 0.0% on 6 pictures of set.zip)" in tried
    assert tried[-1] == "check     top-1 100.0% on 6 pictures of set.zip (measured)"
    assert told[0] == (0, 8 * 6 + 6) and sorted(told) == told


def test_what_the_user_says_is_not_tried_otherwise(first_channel, tmp_path):
    write_pictures(tmp_path / "set", COLOURS)

    found = checked(first_channel, tmp_path / "set", [], value_range=(0.0, 2.0), colours="RGB")

    tried = [note for note in found.notes if note.subject == "check"]
    assert (found.spec.input.value_range, len(tried)) == ((0, 2), 1)
    assert found.spec.accuracy_percent == 0


@pytest.fixture
def always_a_dog(tmp_path) -> Path:
    """A detector of 2 classes that finds the second one at 32, 40, 64, 56 of 96 x 96 pixels."""
    columns = np.zeros((1, 6, 12 * 12 + 6 * 6 + 3 * 3), np.float32)
    columns[0, :, 5] = [48, 48, 32, 16, 0, 0.9]
    return fixed_onnx(tmp_path / "dog.onnx", {"output0": columns}, (96, 96))


def test_detectors_are_checked_by_labels_in_cocos_format(always_a_dog, tmp_path):
    path = zipped(coco_set(tmp_path / "set"), tmp_path / "set.zip")

    found = checked(always_a_dog, path, [])

    assert (found.spec.labels, found.spec.accuracy_percent) == (("airplane", "dog"), 100)
    assert "mAP@0.5 100.0% on 3 pictures of set.zip" in [str(note.text) for note in found.notes]


def test_cocos_categories_are_those_of_the_same_name(always_a_dog, tmp_path):
    folder = coco_set(tmp_path / "set")

    found = checked(always_a_dog, folder, [], labels=("dog", "plum"))

    assert found.spec.accuracy_percent == 0
    with pytest.raises(ModelFileError, match="has 2 classes, such as 'dog'; the model has 2"):
        checked(always_a_dog, folder, [], labels=("fox", "plum"))


@pytest.mark.parametrize(
    ("colours", "labels", "text"),
    [
        ({**COLOURS, "green": (0, 250, 0)}, None, "has 3 classes, such as 'blue'"),
        (COLOURS, ("cat", "dog"), "such as 'blue'; the model has 2, such as 'cat'"),
        ({}, None, "Expected folders of pictures"),
    ],
)
def test_pictures_of_other_classes_are_an_error(first_channel, tmp_path, colours, labels, text):
    tmp_path.joinpath("set").mkdir()
    write_pictures(tmp_path / "set", colours)

    with pytest.raises(ModelFileError, match=text):
        checked(first_channel, tmp_path / "set", [], labels=labels)


def test_pictures_are_chosen_from_all_classes():
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread(range(3), 4) == [0, 1, 2]
