"""Labelled pictures of detectors are found in a folder, in the formats of YOLO and COCO."""

import json
from pathlib import Path

import pytest
from PIL import Image

from ml_core.pictures.detection_sets import read_detection_set
from ml_core.pictures.labelled_pictures import LabelError


def coco_set(folder: Path, **changes: object) -> Path:
    """Pictures of 96 x 96 pixels whose labels refer to twice their size, and name one too many."""
    folder.joinpath("val2017").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (96, 96)).save(folder / "val2017" / f"{number}.png")
    images = [
        {"id": number, "file_name": f"{number}.png", "width": 192, "height": 192}
        for number in range(4)
    ]
    dogs = [
        {"image_id": number, "category_id": 18, "bbox": [64, 80, 64, 32]} for number in range(4)
    ]
    crowd = {"image_id": 0, "category_id": 18, "bbox": [0, 0, 20, 20], "iscrowd": 1}
    content = {
        "images": images,
        "annotations": [*dogs, crowd],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "aeroplane"}],
        **changes,
    }
    folder.joinpath("annotations").mkdir()
    folder.joinpath("annotations", "instances_val2017.json").write_text(json.dumps(content))
    return folder


def test_cocos_labels_are_scaled_to_the_pictures_that_are_there(tmp_path):
    names, pictures = read_detection_set(coco_set(tmp_path), class_count=2)

    assert names == ("airplane", "dog")
    assert [picture.path.name for picture in pictures] == ["0.png", "1.png", "2.png"]
    for picture in pictures:
        assert picture.boxes_xyxy.tolist() == [[32, 40, 64, 56]]
        assert (picture.class_ids.tolist(), picture.scores.tolist()) == ([1], [1])


def test_yolos_labels_lie_beside_the_pictures(tmp_path):
    for name in ("images", "labels"):
        tmp_path.joinpath("coco128", name).mkdir(parents=True)
    Image.new("RGB", (100, 50)).save(tmp_path / "coco128" / "images" / "0.png")
    tmp_path.joinpath("coco128", "labels", "0.txt").write_text("1 0.5 0.5 0.2 0.4\n")

    names, (picture,) = read_detection_set(tmp_path, class_count=2)

    assert names is None
    assert picture.boxes_xyxy.tolist() == [[40, 15, 60, 35]]


def test_of_several_files_the_one_of_the_validation_set_is_taken(tmp_path):
    coco_set(tmp_path)
    tmp_path.joinpath("annotations", "instances_train2017.json").write_text("{}")

    _, pictures = read_detection_set(tmp_path, class_count=2)

    assert len(pictures) == 3


def test_pictures_of_the_same_name_are_told_by_their_folders(tmp_path):
    images = [{"id": 0, "file_name": "val2017/0.png"}]
    coco_set(tmp_path, images=images)
    tmp_path.joinpath("train2017").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "train2017" / "0.png")

    _, (picture,) = read_detection_set(tmp_path, class_count=2)

    assert picture.path == tmp_path / "val2017" / "0.png"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"categories": []}, "is no file of COCO's labels"),
        ({"categories": "x"}, "is no file of COCO's labels"),
        ({"annotations": [[]]}, "is no file of COCO's labels"),
        ({"annotations": [{"image_id": 0, "category_id": 3, "bbox": [1]}]}, "is no file of COCO's"),
        ({"images": [{"id": 0, "file_name": 7}]}, "is no file of COCO's labels"),
        ({"images": []}, "None of the pictures that instances_val2017.json names are there"),
    ],
)
def test_an_invalid_file_is_an_error(tmp_path, changes, text):
    with pytest.raises(LabelError, match=text):
        read_detection_set(coco_set(tmp_path, **changes), class_count=2)


def test_several_files_without_a_preferred_one_are_an_error(tmp_path):
    coco_set(tmp_path)
    tmp_path.joinpath("annotations", "instances_val2014.json").write_text("{}")

    with pytest.raises(LabelError, match="several: annotations/instances_val2014.json, annot"):
        read_detection_set(tmp_path, class_count=2)


def test_without_labels_the_error_names_the_formats_known(tmp_path):
    tmp_path.joinpath("images").mkdir()

    with pytest.raises(LabelError, match="images and labels in YOLO's text format, and pictures"):
        read_detection_set(tmp_path, class_count=2)
