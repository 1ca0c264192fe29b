"""Tests of detecting again in a stored picture with another model."""

import json
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from detect_image import services
from detect_image.models import DetectedImage
from detect_image.tests.test_api import PICTURE, assert_problem
from detect_image.tests.test_stored import post
from ml_core.tests.toy_network import install_toy_network

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture(autouse=True)
def two_detectors(settings, toy_detector, tmp_path: Path) -> None:
    """The toy network as the default, and a copy that only finds red cells, as "cherry"."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.DETECTOR = "toy"
    install_toy_network(settings.MODEL_DIR)
    install_toy_network(settings.MODEL_DIR, "red", ("cherry", "plum"), sees_blue=False)


def again(client: Client, stored: dict, model: str = "red"):
    return client.post(stored["detect_again_url"], {"model": model}, "application/json")


def assert_unchanged(client: Client, stored: dict) -> None:
    now = client.get(f"/api/pictures/{stored['id']}/").json()
    assert now == {key: value for key, value in stored.items() if key in now}
    assert client.get(now["drawn_url"]).status_code == 200


def names(answer: dict) -> list[str]:
    return [detection["class_name"] for detection in answer["detections"]]


@pytest.mark.django_db(transaction=True)
def test_the_new_result_and_drawing_replace_the_former_ones(client, media):
    stored = post(client, store="true", name="mine.png").json()

    answer = again(client, stored)

    assert answer.status_code == 200
    assert "inference" in answer["Server-Timing"]
    new = answer.json()
    assert (stored["model"], names(stored)) == ("toy", ["tomato", "plum"])
    assert (new["model"], names(new)) == ("red", ["cherry"])
    assert (new["id"], new["name"]) == (stored["id"], "mine.png")
    assert client.get(f"/api/pictures/{stored['id']}/").json() == new
    assert client.get(new["original_url"]).content == PICTURE
    assert client.get(new["drawn_url"]).status_code == 200
    assert client.get(stored["drawn_url"]).status_code == 404
    assert client.get(f"{new['drawn_url']}?thumbnail").status_code == 200
    files = [path for path in media.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert DetectedImage.objects.get().size_bytes == sum(path.stat().st_size for path in files)


def test_without_a_model_the_default_one_detects_again(client):
    stored = post(client, store="true", model="red").json()

    answer = client.post(stored["detect_again_url"]).json()

    assert (answer["model"], names(answer)) == ("toy", ["tomato", "plum"])


def test_boxes_still_refer_to_the_original_size_with_the_former_thresholds(client):
    size = {"original_width": 1920, "original_height": 3840}
    stored = post(client, store="true", score_threshold=0.4, iou_threshold=0.3, **size).json()

    answer = again(client, stored).json()

    assert answer["image"] == {"width": 1920, "height": 3840}
    assert answer["detections"][0]["box"] == [640, 0, 1280, 1280]
    row = DetectedImage.objects.get()
    assert (row.score_threshold, row.iou_threshold) == (0.4, 0.3)


def test_only_the_owner_detects_again(client):
    stored = post(client, store="true").json()
    account = Client()
    account.force_login(get_user_model().objects.create_superuser("root"))

    for other in (Client(), account):
        assert_problem(again(other, stored), 404, "not_found")
    assert DetectedImage.objects.get().model == "toy"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nonesuch", 422, "unknown_model"),
        ("resnet56v2-cifar10", 422, "unknown_model"),
        ("yolov3", 503, "model_not_installed"),
        ("x" * 101, 422, "invalid_parameters"),
    ],
)
def test_a_model_that_cannot_detect_leaves_the_result_as_it_is(client, model, status, code):
    stored = post(client, store="true").json()

    assert_problem(again(client, stored, model), status, code)
    assert_unchanged(client, stored)


def test_a_body_that_is_no_object_is_rejected(client):
    stored = post(client, store="true").json()

    answer = client.post(stored["detect_again_url"], json.dumps(["red"]), "application/json")

    assert_problem(answer, 422, "invalid_parameters")


def test_a_missing_file_is_not_found_and_leaves_the_result_as_it_is(client, media):
    stored = post(client, store="true").json()
    Path(DetectedImage.objects.get().original.path).unlink()

    assert_problem(again(client, stored), 404, "not_found")
    assert DetectedImage.objects.get().model == "toy"


@pytest.mark.django_db(transaction=True)
def test_a_picture_deleted_during_the_detection_stays_deleted(client, media, monkeypatch):
    stored = post(client, store="true").json()
    detect = services.draw_to_store

    def deleted_soon(*arguments, **options):
        DetectedImage.objects.all().delete()
        return detect(*arguments, **options)

    monkeypatch.setattr(services, "draw_to_store", deleted_soon)

    assert_problem(again(client, stored), 404, "not_found")
    assert not DetectedImage.objects.exists()
    assert [path for path in media.rglob("*") if path.is_file()] == []


@pytest.mark.django_db(transaction=True)
def test_parallel_detections_leave_the_files_of_the_last_one(client, media, monkeypatch):
    stored = post(client, store="true").json()
    detect = services.draw_to_store

    def overtaken(*arguments, **options):
        monkeypatch.setattr(services, "draw_to_store", detect)
        assert again(client, stored, "toy").status_code == 200
        return detect(*arguments, **options)

    monkeypatch.setattr(services, "draw_to_store", overtaken)

    assert again(client, stored).json()["model"] == "red"
    assert len([path for path in media.rglob("*") if path.is_file()]) == 4


def test_a_picture_adopted_by_an_account_during_the_detection_stays_its_own(client, monkeypatch):
    stored = post(client, store="true").json()
    user = get_user_model().objects.create_user("ada")
    detect = services.draw_to_store

    def adopted_soon(*arguments, **options):
        DetectedImage.objects.update(user=user, session_key="")
        return detect(*arguments, **options)

    monkeypatch.setattr(services, "draw_to_store", adopted_soon)
    again(client, stored)

    row = DetectedImage.objects.get()
    assert (row.user, row.session_key, row.model) == (user, "", "red")


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_leaves_the_result_as_it_is(client, settings, media):
    stored = post(client, store="true").json()
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 2**60}

    assert_problem(again(client, stored), 507, "storage_full")
    assert_unchanged(client, stored)
    assert len([path for path in media.rglob("*") if path.is_file()]) == 4
