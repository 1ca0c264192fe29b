"""What only one of the dialects has."""

import pytest
from django.core.cache import cache
from rest_framework.throttling import SimpleRateThrottle

from compat.tests.dialects import as_form, deepstack, doods, doods_found, roboflow
from detect_image.tests.test_api import BASE64, PICTURE, encoded
from ml_core.tests.toy_network import BLUE, LABELS, cells_picture, install_toy_network

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]

TOMATO, PLUM = LABELS


@pytest.fixture
def two_models(settings, tmp_path) -> None:
    settings.MODEL_DIR, settings.DETECTOR = tmp_path, "toy"
    install_toy_network(tmp_path)
    install_toy_network(tmp_path, "second", ("kiwi", "pear"))


def test_deepstack_detects_with_a_named_model(client, two_models):
    answer = as_form(client, "/v1/vision/custom/second", PICTURE, "").json()
    unknown = as_form(client, "/v1/vision/custom/third", PICTURE, "")

    assert [one["label"] for one in answer["predictions"]] == ["kiwi", "pear"]
    assert (answer["moduleId"], answer["message"]) == ("second", "Found kiwi, pear")
    assert (unknown.status_code, unknown.json()["success"]) == (422, False)


def test_deepstack_lists_the_models_and_tells_that_the_site_answers(client, two_models):
    assert {"toy", "second"} <= set(client.post("/v1/vision/custom/list").json()["models"])
    assert client.get("/v1/server/status/ping").json() == {"success": True}
    assert client.get("/v1/status/updateavailable").json()["updateAvailable"] is False


def test_deepstack_has_whole_pixels_and_what_its_servers_tell(client, settings):
    answer = deepstack(client).json()

    assert answer["predictions"][0] == {
        "label": TOMATO,
        "confidence": 1.0,
        "x_min": 320,
        "y_min": 0,
        "x_max": 640,
        "y_max": 320,
    }
    assert all(isinstance(value, int) for value in [*answer["predictions"][0].values()][2:])
    assert (answer["count"], answer["code"]) == (2, 200)
    assert answer["executionProvider"] == settings.ENGINE


def test_doods_lists_the_default_first_and_each_model_by_its_name(client, two_models):
    detectors = client.get("/detectors").json()["detectors"]

    names = [(one["name"], one["model"], one["labels"]) for one in detectors]
    assert names[0] == ("default", "toy", [TOMATO, PLUM])
    assert ("second", "second", ["kiwi", "pear"]) in names
    assert {(one["width"], one["height"]) for one in detectors} == {(0, 0)}


def test_doods_detects_with_a_named_model_and_repeats_the_id(client, two_models):
    answer = doods(client, detector_name="second", id="door").json()

    assert [one["label"] for one in answer["detections"]] == ["kiwi", "pear"]
    assert answer["id"] == "door"
    assert doods(client, detector_name="third").json().keys() == {"error"}


@pytest.mark.parametrize(
    ("detect", "labels"),
    [
        ({}, []),
        ({"*": 50}, [TOMATO, PLUM]),
        ({PLUM: 50}, [PLUM]),
        ({"unknown": 10}, []),
    ],
)
def test_doods_returns_the_classes_that_are_asked_for(client, detect, labels):
    answer = doods(client, detect=detect).json()

    assert [one["label"] for one in answer["detections"]] == labels


def test_doods_confidences_of_classes_go_before_that_of_all(client):
    # A score of about 0.7.
    dark_red = (138, 0, 0)
    picture = encoded(cells_picture({(1, 0): dark_red, (2, 2): BLUE}, side=96))

    def labels(**detect: float) -> list[str]:
        return [one["label"] for one in doods(client, picture, detect=detect).json()["detections"]]

    assert labels(**{"*": 90, TOMATO: 50}) == [PLUM, TOMATO]
    assert labels(**{"*": 50, TOMATO: 90}) == [PLUM]


@pytest.mark.parametrize(
    ("sides", "covers", "labels"),
    [
        ((0, 0, 1, 1), True, [TOMATO, PLUM]),
        # Left of the tomato's middle, and above that of the plum.
        ((0.0, 0.0, 0.5, 0.5), False, [TOMATO]),
        ((0.0, 0.0, 0.5, 0.5), True, []),
        ((0.6, 0.6, 1, 1), True, [PLUM]),
        ((0.0, 0.5, 0.3, 1), False, []),
    ],
)
def test_doods_returns_what_a_region_asks_for(client, sides, covers, labels):
    left, top, right, bottom = sides
    region = {"id": "lawn", "left": left, "top": top, "right": right, "bottom": bottom}
    region |= {"covers": covers, "detect": {"*": 50}}

    found = doods(client, detect={}, regions=[region]).json()["detections"]

    assert [(one["label"], one["region_id"]) for one in found] == [
        (name, "lawn") for name in labels
    ]


def test_doods_boxes_are_fractions_of_the_picture(client):
    found = doods(client).json()

    assert found["detections"][0]["confidence"] == 100
    assert doods_found(found)[0][2] == pytest.approx([320, 0, 640, 320], abs=0.01)


def test_doods_reads_no_pictures_from_addresses(client):
    response = client.post(
        "/detect",
        {"data": "http://127.0.0.1/a.jpg", "detect": {"*": 5}},
        content_type="application/json",
    )

    assert response.status_code == 422
    assert "base64" in response.json()["error"]


def test_roboflow_registry_has_detectors_and_classifiers(client, two_models):
    models = {one["model_id"]: one for one in client.get("/model/registry").json()["models"]}

    assert models["second"] == {
        "model_id": "second",
        "task_type": "object-detection",
        "batch_size": 1,
        "input_height": 96,
        "input_width": 96,
    }
    assert models["resnet56v2-cifar10"]["task_type"] == "classification"


def test_roboflow_models_need_not_be_added_and_unknown_ones_are_errors(client):
    def add(name: str):
        return client.post("/model/add", {"model_id": name}, content_type="application/json")

    for name in ("toy", "resnet56v2-cifar10"):
        assert add(name).json() == client.get("/model/registry").json()
    assert (add("coco/3").status_code, [*add("coco/3").json()]) == (422, ["message"])


def test_roboflow_answers_a_list_of_pictures_with_a_list(client, settings):
    image = {"type": "base64", "value": BASE64}

    answers = roboflow(client, image=[image, image]).json()
    settings.LIMITS = {**settings.LIMITS, "pictures_per_request": 2}
    above = roboflow(client, image=[image] * 3)

    assert [len(answer["predictions"]) for answer in answers] == [2, 2]
    assert above.status_code == 422


@pytest.mark.parametrize("path", ["object_detection", "classification"])
def test_each_picture_of_a_list_counts_as_a_request(client, monkeypatch, path):
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"predictions": "3/day"})
    image = {"type": "base64", "value": BASE64}
    body = {"model_id": "toy" if path == "object_detection" else "resnet56v2-cifar10"}

    statuses = []
    for pictures in (2, 2):
        body["image"] = [image] * pictures
        answer = client.post(f"/infer/{path}", body, content_type="application/json")
        statuses.append(answer.status_code)

    cache.clear()
    assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"confidence": "best", "iou_threshold": None, "source": "sdk"}, [TOMATO, PLUM]),
        ({"class_filter": [PLUM]}, [PLUM]),
        ({"max_detections": 1}, [TOMATO]),
        ({"confidence": 1.0, "max_detections": 0}, []),
    ],
)
def test_roboflow_options_choose_what_is_returned(client, fields, labels):
    answer = roboflow(client, **fields).json()

    assert [one["class"] for one in answer["predictions"]] == labels


def test_roboflow_classifies_with_the_classes_of_the_api(client):
    image = {"type": "base64", "value": BASE64}
    body = {"model_id": "resnet56v2-cifar10", "image": image, "confidence": 0.01}
    own = client.post("/api/classify/", {"image": BASE64, "store": "false"}).json()

    answer = client.post("/infer/classification", body, content_type="application/json").json()

    assert (answer["top"], answer["confidence"]) == (own["class_name"], own["score"])
    assert answer["predictions"][0]["class"] == own["class_name"]
    assert all(one["confidence"] >= 0.01 for one in answer["predictions"])


@pytest.mark.parametrize("image", [{"type": "url", "value": "http://127.0.0.1/"}, 5, None])
def test_roboflow_reads_only_base64(client, image):
    response = roboflow(client, image=image)

    assert (response.status_code, [*response.json()]) == (422, ["message"])
