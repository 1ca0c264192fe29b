"""Tests of ``POST /api/classify/`` with the shipped classifier."""

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from PIL import Image

from classify.models import ClassifiedImage
from ml_core.catalog import installed
from ml_core.labels import shown_name
from ml_core.tests.model_files import fixed_onnx

URL = "/api/classify/"
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def encoded(picture: Image.Image, format_name: str = "PNG", **options) -> bytes:
    output = io.BytesIO()
    picture.save(output, format_name, **options)
    return output.getvalue()


PICTURE = encoded(Image.new("RGB", (64, 48), (90, 140, 220)))

pytestmark = [pytest.mark.usefixtures("shipped_classifier"), pytest.mark.django_db]


@pytest.fixture
def shipped_classifier(settings, patient, tmp_path, converted_dir):
    """A fresh installation: no installed models, no uploads."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.CONVERTED_DIR = converted_dir
    settings.CLASSIFIER = ""
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"


def post(client: Client, data: bytes = PICTURE, **fields: object):
    return client.post(URL, {"image": SimpleUploadedFile("a.png", data), **fields})


def assert_problem(response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["code"] == code


def test_the_sample_picture_of_a_car_is_an_automobile(client):
    with open("static/samples/car.jpg", "rb") as picture:
        answer = client.post(URL, {"image": picture}).json()

    assert answer["class_name"] == "automobile"
    assert answer["class_id"] == 1


def test_a_request_reads_the_folders_of_the_models_once(client, monkeypatch):
    folders = []
    read = installed.read_catalog
    monkeypatch.setattr(
        installed, "read_catalog", lambda folder: folders.append(folder) or read(folder)
    )

    assert post(client).status_code == 200

    assert len(folders) == 1


def test_the_answer_holds_the_class_and_the_probabilities_of_all_ten(client):
    answer = post(client).json()

    assert answer["model"] == "resnet56v2-cifar10"
    assert answer["image"] == {"width": 64, "height": 48}
    assert [p["class_name"] for p in answer["probabilities"]] == LABELS
    assert sum(p["score"] for p in answer["probabilities"]) == pytest.approx(1, abs=0.01)
    best = max(answer["probabilities"], key=lambda probability: probability["score"])
    assert best == {key: answer[key] for key in ("class_id", "class_name", "score")}
    assert list(answer["timing_ms"]) == ["decode", "preprocess", "queue", "inference"]


def test_a_jpeg_without_its_last_bytes_is_classified_and_marked_as_truncated(client):
    whole = Path("static/samples/car.jpg").read_bytes()

    answers = [post(client, data).json() for data in (whole, whole[:-2])]

    assert [answer["truncated"] for answer in answers] == [False, True]
    assert answers[1]["class_name"] == "automobile"


def test_raw_bodies_and_base64_get_the_same_answer(client):
    expected = post(client).json()["probabilities"]

    raw = client.post(URL, PICTURE, content_type="image/png")
    text = base64.b64encode(PICTURE).decode()
    as_json = client.post(URL, json.dumps({"image": text}), content_type="application/json")

    assert raw.json()["probabilities"] == as_json.json()["probabilities"] == expected


def test_every_upload_is_stored_unchanged_with_its_result(client, settings):
    answer = post(client).json()

    classified = ClassifiedImage.objects.get()
    assert Path(classified.file.path).read_bytes() == PICTURE
    assert classified.file.name.startswith("classify/") and classified.file.name.endswith(".png")
    assert classified.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert (classified.class_name, classified.score) == (answer["class_name"], answer["score"])
    assert classified.probabilities[answer["class_name"]] == answer["score"]


def test_visiting_a_page_creates_no_session(client):
    for page in (
        "/classify/",
        "/classify/pictures/",
        "/detect-image/",
        "/detect-image/server/",
        "/detect-image/pictures/",
    ):
        client.get(page)

    assert not Session.objects.exists()


def test_an_upload_belongs_to_the_visitors_session_or_to_the_account(client, django_user_model):
    post(client)
    by_session = ClassifiedImage.objects.latest("pk")
    client.force_login(user := django_user_model.objects.create_user("ada"))
    post(client)
    by_account = ClassifiedImage.objects.latest("pk")

    assert len(by_session.session_key) == 32 and by_session.user is None
    assert by_account.user == user


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"no picture", 415, "unsupported_media_type"),
        (PICTURE[:-30], 422, "image_truncated"),
    ],
)
def test_an_invalid_picture_is_rejected_and_not_stored(client, settings, data, status, code):
    assert_problem(post(client, data), status, code)
    assert not ClassifiedImage.objects.exists()
    assert not settings.MEDIA_ROOT.exists()


def test_models_of_another_task_are_unknown_here(client):
    assert_problem(post(client, model="yolov3"), 422, "unknown_model")


def test_the_file_and_the_timing_are_logged(client, caplog):
    caplog.set_level("INFO")

    post(client)

    name = ClassifiedImage.objects.get().file.name
    (line,) = [record.getMessage() for record in caplog.records if name in record.getMessage()]
    assert "received in" in line and "ms" in line


def test_a_picture_whose_row_cannot_be_written_is_not_left_behind(client, settings, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(ClassifiedImage, "save", fail)
    client.raise_request_exception = False

    assert_problem(post(client), 500, "server_error")
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


def test_only_staff_sees_uploads_in_the_admin(client):
    post(client)
    classified = ClassifiedImage.objects.get()
    picture_url = f"/admin/classify/classifiedimage/{classified.pk}/picture/file/"
    assert client.get(picture_url).status_code == 302

    client.force_login(get_user_model().objects.create_superuser("root"))
    listing = client.get("/admin/classify/classifiedimage/")
    detail = client.get(f"/admin/classify/classifiedimage/{classified.pk}/change/")
    picture = client.get(picture_url)

    assert picture_url in listing.content.decode()
    assert classified.sha256 in detail.content.decode()
    assert picture["Content-Type"] == "image/jpeg"
    assert picture["X-Content-Type-Options"] == "nosniff"


def test_stored_pictures_are_listed_for_their_owner(client):
    answer = post(client).json()

    page = client.get("/classify/pictures/").content.decode()
    (stored,) = client.get("/api/classify/pictures/").json()["results"]

    assert f"{answer['class_name']} {answer['score'] * 100:.0f}%" in page
    assert f'src="{stored["file_url"]}?thumbnail"' in page
    thumbnail = client.get(f"{stored['file_url']}?thumbnail")
    assert stored["class_name"] == answer["class_name"]
    assert stored["size_bytes"] == len(PICTURE) + len(thumbnail.content)
    assert client.get(stored["file_url"]).content == PICTURE
    assert thumbnail["Content-Type"] == "image/jpeg"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["api", "page"])
def test_deleting_a_stored_picture_deletes_its_file(client, settings, way):
    post(client)
    pk = ClassifiedImage.objects.get().pk

    if way == "api":
        assert client.delete(f"/api/classify/pictures/{pk}/").status_code == 204
    else:
        address = f"/classify/pictures/{pk}/delete/"
        assert '<form method="post"' in client.get(address).content.decode()
        assert ClassifiedImage.objects.exists()
        assert client.post(address).url == "/classify/pictures/"

    assert not ClassifiedImage.objects.exists()
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("pk", [0, 2**63, 10**30])
def test_an_unknown_picture_is_not_found(client, pk):
    assert_problem(client.get(f"/api/classify/pictures/{pk}/"), 404, "not_found")
    assert client.get(f"/classify/pictures/{pk}/").status_code == 404


def test_classes_of_stored_pictures_have_chinese_names(client):
    answer = post(client).json()

    page = client.get("/classify/pictures/", headers={"Accept-Language": "zh-CN"}).content.decode()

    assert shown_name(answer["class_name"], "zh-hans") in page


def test_the_page_says_that_pictures_are_stored_and_where(client):
    page = client.get("/classify/").content.decode()

    assert (
        "stored with its class, as long as there is storage space" in page
        and 'href="/classify/pictures/"' in page
    )


def test_the_page_lists_the_classes(client):
    page = client.get("/classify/").content.decode()

    assert all(label in page for label in LABELS)


def test_the_client_file_can_be_downloaded(client):
    response = client.get("/classify/client.py")

    assert "attachment" in response["Content-Disposition"]
    assert b"import requests" in response.content


def test_the_page_says_when_its_model_cannot_be_used(client, settings):
    settings.CLASSIFIER = "missing"

    page = client.get("/classify/").content.decode()

    assert "missing" in page and "there is no such model" in page


@pytest.fixture
def thousand_classes(settings, tmp_path, patient) -> str:
    """The name of a classifier of 1,000 classes, two of which share a name."""
    scores = np.linspace(0, 1, 1000)[None]
    path = fixed_onnx(tmp_path / "many.onnx", {"scores": scores}, (8, 8))
    labels = tmp_path / "labels.txt"
    names = [f"name {number}" for number in range(998)]
    labels.write_text("\n".join(["crane", *names, "crane"]), encoding="utf-8")
    call_command(
        "add_model",
        str(path),
        f"--labels={labels}",
        "--activation=none",
        "--name=many",
        stdout=io.StringIO(),
    )
    return "many"


def test_of_many_classes_the_most_probable_ones_are_sent_and_stored(client, thousand_classes):
    answer = post(client, data=PICTURE, model=thousand_classes).json()

    assert (answer["model"], answer["class_id"], answer["class_name"]) == ("many", 999, "crane")
    sent = [one["class_id"] for one in answer["probabilities"]]
    assert sent == list(range(900, 1000))
    stored = ClassifiedImage.objects.get().probabilities
    assert len(stored) == 100
    assert max(stored, key=stored.get) == "crane"


def test_the_page_offers_the_classifiers_and_shows_the_chosen_one(client, thousand_classes):
    page = client.get("/classify/", {"model": thousand_classes})

    text = page.content.decode()
    assert "<option selected>many</option>" in text
    assert "<option>resnet56v2-cifar10</option>" in text
    assert "one of 1000 classes" in text
    assert 'data-model="many"' in text
