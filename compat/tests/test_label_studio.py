"""Label Studio: what is fetched, and how boxes are labelled."""

import time
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.throttling import SimpleRateThrottle

from compat.label_studio_pictures import LabelStudioPictures
from compat.tests.dialects import LABEL_CONFIG, label_studio
from compat.tests.stand_in_label_studio import LABEL_STUDIO_TOKEN, stand_in_label_studio
from detect_image.tests.test_api import PICTURE
from ml_core.errors import VisionError

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]

FILE = "/data/upload/1/a.png"


@pytest.fixture
def studio(settings):
    """The configured Label Studio, with a file and redirects, and its address."""
    with stand_in_label_studio({"/secret": b"of another server"}) as other:
        redirects = {"/data/to-file": FILE, "/data/to-other": f"{other}/secret"}
        with stand_in_label_studio({FILE: PICTURE}, redirects) as url:
            settings.LABEL_STUDIO_URL, settings.LABEL_STUDIO_TOKEN = url, LABEL_STUDIO_TOKEN
            yield url


def fetched(address: Any) -> bytes:
    return LabelStudioPictures().fetched(address)


def test_a_project_is_connected(client):
    assert client.get("/health").json() == {"status": "UP", "model_class": "toy"}
    setup = {"project": "1.17", "schema": LABEL_CONFIG, "hostname": "http://127.0.0.1:8080"}
    answer = client.post("/setup", setup, content_type="application/json")
    assert answer.json() == {"model_version": "toy"}
    event = {"action": "START_TRAINING", "project": {"id": 1}}
    assert client.post("/webhook", event, content_type="application/json").status_code == 201


def test_boxes_are_in_percent_and_name_the_controls(client):
    (prediction,) = label_studio(client).json()["results"]

    assert prediction["model_version"] == "toy"
    assert prediction["score"] == 1
    region = prediction["result"][0]
    assert (region["from_name"], region["to_name"]) == ("box", "picture")
    assert (region["original_width"], region["original_height"]) == (960, 960)
    assert region["value"] == {
        "x": pytest.approx(33.3333),
        "y": 0,
        "width": pytest.approx(33.3333),
        "height": pytest.approx(33.3333),
        "rotation": 0,
        "rectanglelabels": ["tomato"],
    }


def test_labels_of_the_project_may_stand_for_several_classes(client):
    config = LABEL_CONFIG.replace('"plum"', '"Fruit" predicted_values="Plum, kiwi"')

    (prediction,) = label_studio(client, label_config=config).json()["results"]

    labels = [one["value"]["rectanglelabels"] for one in prediction["result"]]
    assert labels == [["tomato"], ["Fruit"]]


def test_classes_without_a_label_are_left_out(client):
    config = LABEL_CONFIG.replace('"plum"', '"kiwi"')

    (prediction,) = label_studio(client, label_config=config).json()["results"]

    assert len(prediction["result"]) == 1


@pytest.mark.parametrize(
    "config",
    [
        "",
        "<View",
        '<View><Image name="picture" value="$photo"/></View>',
        LABEL_CONFIG.replace('toName="picture"', 'toName="other"'),
        '<!DOCTYPE a [<!ENTITY b "c">]>' + LABEL_CONFIG,
        "<View>&lt;&other;</View>",
    ],
)
def test_a_set_up_without_boxes_on_a_picture_is_refused(client, config):
    response = label_studio(client, label_config=config)

    assert (response.status_code, [*response.json()]) == (422, ["error"])


def test_a_set_up_may_have_comments(client):
    config = f"<!-- fruits -->{LABEL_CONFIG}"

    (prediction,) = label_studio(client, label_config=config).json()["results"]

    assert len(prediction["result"]) == 2


@pytest.mark.parametrize("authorization", [None, "Basic ä", "Basic a", "Basic /w==", "Digest a"])
def test_nothing_is_fetched_for_those_without_a_token(client, authorization):
    headers = {"authorization": authorization} if authorization else {}
    body = {"tasks": [{"data": {"photo": FILE}}], "label_config": LABEL_CONFIG}

    response = client.post("/predict", body, content_type="application/json", headers=headers)

    assert (response.status_code, [*response.json()]) == (401, ["error"])


def test_a_bad_picture_does_not_lose_the_others(client):
    good, *bad = ({"data": {"photo": path}} for path in (FILE, "/data/missing.png", "/api/users/"))

    results = label_studio(client, tasks=[bad[0], good, bad[1]]).json()["results"]
    all_bad = label_studio(client, tasks=bad)

    assert [len(one["result"]) for one in results] == [0, 2, 0]
    assert {one["model_version"] for one in results} == {"toy"}
    assert (all_bad.status_code, [*all_bad.json()]) == (502, ["error"])


def test_each_picture_of_a_batch_counts_as_a_request(client, monkeypatch):
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"predictions": "3/day"})
    tasks = [{"data": {"photo": FILE}}] * 2

    statuses = [label_studio(client, tasks=tasks).status_code for _ in range(2)]
    cache.clear()

    assert statuses == [200, 429]


def test_of_too_many_tasks_only_the_first_is_predicted(client, settings):
    task = {"data": {"photo": FILE}}

    all_of_two = label_studio(client, tasks=[task] * 2).json()["results"]
    settings.LIMITS = {**settings.LIMITS, "pictures_per_request": 2}
    one_of_three = label_studio(client, tasks=[task] * 3).json()["results"]

    assert (len(all_of_two), len(one_of_three)) == (2, 1)


def test_pictures_are_fetched_by_path_and_by_address(studio):
    assert fetched(FILE) == PICTURE
    assert fetched(studio + FILE) == PICTURE


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "http://127.0.0.1@169.254.169.254/",
        "/a\ud800",
        "/data/a\ud800",
        "file:///etc/passwd",
        "s3://bucket/a.png",
        "http://[::1/",
        "",
        None,
        5,
    ],
)
def test_nothing_is_fetched_from_elsewhere(studio, address):
    with pytest.raises(VisionError) as raised:
        fetched(address)

    assert raised.value.status == 502


@pytest.mark.parametrize("path", ["/data/to-file", "/data/to-other", "/data/missing"])
def test_redirects_are_not_followed(studio, path):
    with pytest.raises(VisionError, match="answered the request"):
        fetched(path)


def test_another_server_on_the_same_machine_is_elsewhere(studio, settings):
    with (
        stand_in_label_studio({FILE: b"secret"}) as other,
        pytest.raises(VisionError, match="Expected the path of a picture"),
    ):
        fetched(other + FILE)


@pytest.mark.parametrize("separator", ["\\@", "\\\\@", "@", "#@", "?@", "/@", "%5C@"])
def test_an_address_that_parsers_read_differently_is_elsewhere(studio, separator):
    with (
        stand_in_label_studio({}) as other,
        pytest.raises(VisionError, match="Expected the path of a picture"),
    ):
        fetched(f"{other}{separator}{studio.removeprefix('http://')}{FILE}")


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/",
        "/data",
        "/data/../api/users/",
        "/data/%2e%2e/api/users/",
        "/data/..%5Capi/users/",
        "//data/upload/a.png",
        "/tasks/1/",
        "/tasks/x/resolve/",
    ],
)
def test_only_pictures_of_label_studio_are_fetched(studio, path):
    for address in (path, studio + path):
        with pytest.raises(VisionError, match="Expected the path of a picture"):
            fetched(address)


def test_a_label_studio_below_a_path_has_its_pictures_there(studio, settings):
    settings.LABEL_STUDIO_URL = f"{studio}/labels/"
    addresses = ["/labels/data/a.png", "/labels/tasks/1/resolve/?fileuri=YQ==", "/labels/api/users"]

    texts = []
    for address in addresses:
        with pytest.raises(VisionError) as raised:
            fetched(address)
        texts.append(raised.value.detail.partition(" ")[0])

    assert texts == ["Label", "Label", "Expected"]


def test_an_address_in_an_error_cannot_begin_a_line_of_the_log(studio):
    with pytest.raises(VisionError) as raised:
        fetched("/a\nERROR forged")

    assert "\n" not in raised.value.detail
    assert "forged" in raised.value.detail


def test_the_pictures_of_a_request_share_their_time(studio, settings):
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 0.5}
    pictures = LabelStudioPictures()
    started = time.monotonic()

    with stand_in_label_studio({FILE: PICTURE}, bytes_per_second=50) as slow:
        settings.LABEL_STUDIO_URL = slow
        for _ in range(3):
            with pytest.raises(VisionError, match="slowly|reached"):
                pictures.fetched(FILE)

    assert time.monotonic() - started < 5


def test_a_file_above_the_limit_is_refused_while_it_arrives(studio, settings):
    settings.LIMITS = {**settings.LIMITS, "image_bytes": len(PICTURE) - 1}

    with pytest.raises(VisionError) as raised:
        fetched(FILE)

    assert raised.value.status == 413


def test_a_wrong_token_and_an_unreachable_server_say_what_to_do(client, settings, studio):
    settings.LABEL_STUDIO_TOKEN = "wrong"
    with pytest.raises(VisionError, match="LABEL_STUDIO_TOKEN"):
        fetched(FILE)
    settings.LABEL_STUDIO_URL = "http://127.0.0.1:1"
    with pytest.raises(VisionError, match="cannot be reached"):
        fetched(FILE)
