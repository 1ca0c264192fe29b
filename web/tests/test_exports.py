import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ml_core.labels import COCO_LABELS, coco_category_id, read_names
from ml_core.results import Detection, Detections
from web import exports

CONTRACT = Path(__file__).parents[2] / "tests" / "contract" / "exports.json"
NOTHING = Detections("toy", (200, 100), (), {"inference": 3.0})
DOG = Detections(
    model="toy",
    resolution_wh=(200, 100),
    detections=(Detection((20.0, 10.0, 120.0, 60.0), 16, "dog", 0.9849),),
    timing_ms={"inference": 3.0, "queue": 1.0},
)


def test_text_lists_score_class_and_box():
    assert exports.to_text("a.jpg", NOTHING) == "a.jpg  200 x 100  toy  3 ms\n  nothing found\n"
    assert "98.5%  dog              [20, 10, 120, 60]" in exports.to_text("a.jpg", DOG)


def test_json_lines_have_the_shape_of_the_api():
    line = json.loads(exports.to_jsonl("a.jpg", DOG))

    assert line == {
        "file": "a.jpg",
        "model": "toy",
        "image": {"width": 200, "height": 100},
        "detections": [
            {"box": [20, 10, 120, 60], "class_id": 16, "class_name": "dog", "score": 0.9849}
        ],
        "timing_ms": {"inference": 3.0, "queue": 1.0},
    }


def test_yolo_boxes_are_relative_centres_and_sizes():
    assert exports.to_yolo(NOTHING) == ""
    assert exports.to_yolo(DOG) == "16 0.350000 0.350000 0.500000 0.500000\n"


def test_voc_boxes_have_integer_pixels():
    root = ElementTree.fromstring(exports.to_voc("a&b.jpg", DOG))

    assert root.findtext("filename") == "a&b.jpg"
    assert root.findtext("size/width") == "200"
    assert root.findtext("object/name") == "dog"
    assert [e.text for e in root.find("object/bndbox")] == ["20", "10", "120", "60"]


@pytest.mark.parametrize("wrong", ["\0", "\x1b", "\x0b", "\ufffe", "\udcff"])
def test_voc_is_well_formed_for_any_name(wrong):
    odd = replace(DOG.detections[0], class_name=f"d{wrong}g")

    text = exports.to_voc(f"a{wrong}\t😀.jpg", replace(DOG, detections=(odd,)))

    root = ElementTree.fromstring(text.encode())
    assert root.findtext("filename") == "a\ufffd\t😀.jpg"
    assert root.findtext("object/name") == "d\ufffdg"


def test_coco_uses_its_sparse_category_ids():
    document = json.loads(exports.to_coco([("a.jpg", NOTHING), ("b.jpg", DOG)]))

    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "b.jpg"]
    (annotation,) = document["annotations"]
    assert annotation["image_id"] == 2
    assert annotation["category_id"] == 18
    assert annotation["bbox"] == [20, 10, 100, 50] and annotation["area"] == 5000
    assert document["categories"] == [{"id": 18, "name": "dog"}]


def test_csv_has_one_row_per_object():
    rows = list(csv.DictReader(io.StringIO(exports.to_csv([("a.jpg", NOTHING), ("b.jpg", DOG)]))))

    assert len(rows) == 1
    assert rows[0]["file"] == "b.jpg" and rows[0]["x_max"] == "120.0"


@pytest.mark.parametrize(("name", "category_id"), [("person", 1), ("bear", 23), ("toothbrush", 90)])
def test_category_ids_match_coco(name, category_id):
    assert coco_category_id(COCO_LABELS.index(name)) == category_id


def test_old_darknet_names_are_converted():
    assert read_names("person\naeroplane\n\ntvmonitor\n") == ("person", "airplane", "tv")


def test_browser_and_server_write_the_same_files():
    contract = json.loads(CONTRACT.read_text(encoding="utf-8"))
    results = [
        (
            result["name"],
            Detections(
                found["model"],
                (found["image"]["width"], found["image"]["height"]),
                tuple(
                    Detection(**{**one, "box": tuple(one["box"])}) for one in found["detections"]
                ),
                found["timing_ms"],
            ),
        )
        for result in contract["results"]
        for found in [result["found"]]
    ]

    assert json.loads(exports.to_coco(results)) == contract["coco"]
    assert exports.to_csv(results) == contract["csv"]
    assert [exports.to_yolo(found) for _, found in results] == contract["yolo"]
    assert [exports.to_voc(name, found) for name, found in results] == contract["voc"]
    assert [json.loads(exports.to_jsonl(*result)) for result in results] == contract["json"]
    assert contract["coco_categories"] == [
        {"id": coco_category_id(class_id), "name": name}
        for class_id, name in enumerate(COCO_LABELS)
    ]
