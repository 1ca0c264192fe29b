"""Tests of drawn and stored pictures: response formats, ownership, exports, the gallery."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import ExifTags, Image

from detect_image import gallery
from detect_image.models import DetectedImage
from detect_image.tests.test_api import BASE64, PICTURE, URL, assert_problem, encoded
from ml_core.pictures.drawing import class_colour
from ml_core.tests.toy_network import BLUE, RED, cells_picture

TOMATO = 0

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def post(client: Client, data: bytes = PICTURE, **fields):
    return client.post(URL, {"image": SimpleUploadedFile("cells.png", data), **fields})


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def assert_near(colour: tuple[int, ...], expected: tuple[int, ...]) -> None:
    # JPEG is lossy.
    assert np.abs(np.subtract(colour, expected)).max() < 60


def test_the_drawn_picture_is_returned_as_a_data_url(client):
    answer = post(client, **{"return": "base64"}).json()

    header, text = answer["drawn"].split(",")
    drawn = opened(base64.b64decode(text))
    assert header == "data:image/jpeg;base64"
    assert drawn.size == (960, 960)
    assert_near(drawn.getpixel((322, 200)), class_colour(TOMATO))
    assert [d["class_name"] for d in answer["detections"]] == ["tomato", "plum"]
    assert DetectedImage.objects.count() == 0


def test_the_drawn_picture_is_returned_as_a_cacheable_url(client):
    answer = post(client, **{"return": "url"}).json()

    picture = client.get(answer["drawn"])
    assert picture["Content-Type"] == "image/jpeg"
    assert "private" in picture["Cache-Control"] and "max-age" in picture["Cache-Control"]
    assert_near(opened(picture.content).getpixel((322, 200)), class_colour(TOMATO))
    assert client.get(answer["original_url"]).content == PICTURE
    assert opened(client.get(f"{answer['drawn']}?thumbnail").content).size == (480, 480)


def test_the_response_format_may_be_in_the_query(client):
    response = client.post(
        f"{URL}?return=base64&name=a.png", data=PICTURE, content_type="image/png"
    )

    assert response.json()["drawn"].startswith("data:image/jpeg")


def test_label_options_are_applied(client):
    def label_pixel(**fields) -> tuple[int, ...]:
        answer = post(client, **{"return": "base64"}, **fields).json()
        # Just above the plum's box, where its label stands.
        picture = opened(base64.b64decode(answer["drawn"].split(",")[1]))
        return picture.getpixel((642, 634))

    assert_near(label_pixel(), class_colour(1))
    assert_near(label_pixel(show_names="false"), class_colour(1))
    assert_near(label_pixel(show_names="false", show_scores="false"), (128, 128, 128))


def test_drawn_pictures_use_a_higher_default_threshold(client):
    pale = encoded(cells_picture({(1, 0): (200, 98, 98), (2, 2): BLUE}, side=960))
    (tomato,) = [d for d in post(client, pale).json()["detections"] if d["class_id"] == TOMATO]
    assert 0.05 < tomato["score"] < 0.25

    names = [d["class_name"] for d in post(client, pale, **{"return": "url"}).json()["detections"]]
    asked = post(client, pale, **{"return": "url", "score_threshold": 0.05}).json()["detections"]

    assert names == ["plum"]
    assert len(asked) == 2


def test_boxes_refer_to_the_original_size(client):
    answer = post(client, store="true", original_width=1920, original_height=3840).json()

    assert answer["image"] == {"width": 1920, "height": 3840}
    assert answer["detections"][0]["box"] == [640, 0, 1280, 1280]
    # The stored picture is the downscaled upload, and its boxes are drawn to its scale.
    drawn = opened(client.get(answer["drawn_url"]).content)
    assert drawn.size == (960, 960)
    assert_near(drawn.getpixel((322, 200)), class_colour(TOMATO))


@pytest.mark.parametrize(
    "fields",
    [
        {"original_width": 10},
        {"original_width": 0, "original_height": 10},
        {"original_width": 10**6, "original_height": 10},
        {"return": "xml"},
        {"gallery": "street.jpg"},
        {"store": "perhaps"},
        {"name": "x" * 256},
    ],
)
def test_invalid_parameters_are_rejected(client, fields):
    assert_problem(post(client, **fields), 422, "invalid_parameters")


def test_exif_orientation_is_applied_before_drawing(client):
    turn_right = Image.Exif()
    turn_right[ExifTags.Base.Orientation] = 6
    side = cells_picture({(1, 0): RED}, 960).resize((960, 480))
    data = encoded(side, "JPEG", quality=95, exif=turn_right)

    answer = post(client, data, **{"return": "url"}).json()

    drawn = opened(client.get(answer["drawn"]).content)
    assert drawn.size == (480, 960)
    assert answer["detections"][0]["box"] == [320, 320, 480, 640]
    assert_near(drawn.getpixel((322, 480)), class_colour(TOMATO))


def test_the_seed_format_has_three_lists(client):
    response = client.post(f"{URL}?format=seed", {"image": BASE64}, "application/json")

    assert response.json() == {
        "box_list": [[320, 0, 640, 320], [640, 640, 960, 960]],
        "classId_list": [0, 1],
        "score_list": [1.0, 1.0],
    }


def test_the_seed_format_returns_errors_as_problem_details(client):
    response = client.post(f"{URL}?format=seed", {"image": "%%%"}, "application/json")

    assert_problem(response, 422, "base64_invalid")


def test_a_stored_picture_is_visible_to_its_owner_only(client):
    answer = post(client, store="true", name="mine.png").json()
    addresses = [
        answer["original_url"],
        answer["drawn_url"],
        answer["page_url"],
        answer["export_url"] + "?as=json",
        f"/api/pictures/{answer['id']}/",
    ]
    stranger, account = Client(), Client()
    account.force_login(get_user_model().objects.create_user("other"))

    assert [client.get(address).status_code for address in addresses] == [200] * 5
    for other in (stranger, account):
        assert [other.get(address).status_code for address in addresses] == [404] * 5
        assert other.delete(f"/api/pictures/{answer['id']}/").status_code == 404
        address = f"/detect-image/pictures/{answer['id']}/delete/"
        assert other.get(address).status_code == other.post(address).status_code == 404
        assert other.get("/api/pictures/").json()["results"] == []
        assert "mine.png" not in other.get("/detect-image/pictures/").content.decode()
    assert "mine.png" in client.get("/detect-image/pictures/").content.decode()
    (stored,) = client.get("/api/pictures/").json()["results"]
    assert stored["id"] == answer["id"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["api", "page"])
def test_deleting_a_stored_picture_deletes_its_files(client, media, way):
    answer = post(client, store="true").json()
    assert len([path for path in media.rglob("*") if path.is_file()]) == 4

    if way == "api":
        assert client.delete(f"/api/pictures/{answer['id']}/").status_code == 204
    else:
        address = f"/detect-image/pictures/{answer['id']}/delete/"
        question = client.get(address).content.decode()
        assert '<form method="post"' in question and answer["drawn_url"] in question
        assert client.get(answer["page_url"]).status_code == 200
        assert client.post(address).url == "/detect-image/pictures/"

    # The picture's directory is deleted as well.
    assert [*(media / "detect_image").iterdir()] == []
    assert client.get(answer["page_url"]).status_code == 404


def test_a_picture_whose_row_cannot_be_written_leaves_no_files(client, media, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(DetectedImage, "save", fail)
    client.raise_request_exception = False

    assert post(client, store="true").status_code == 500
    assert [*(media / "detect_image").iterdir()] == []


def test_a_stored_picture_whose_file_is_gone_is_not_found(client, media):
    answer = post(client, store="true").json()
    for path in media.rglob("*.jpeg"):
        path.unlink()

    assert client.get(answer["drawn_url"]).status_code == 404


@pytest.mark.parametrize("damaged", [b"", b"garbage", PICTURE[: len(PICTURE) // 2]])
def test_a_thumbnail_of_a_damaged_picture_is_not_found(client, media, damaged):
    answer = post(client, store="true").json()
    DetectedImage.objects.update(original_thumbnail="", drawn_thumbnail="")
    for path in media.rglob("*.*"):
        path.write_bytes(damaged)
    thumbnail = f"/admin/detect_image/detectedimage/{answer['id']}/picture/drawn/"

    for url in (answer["original_url"], answer["drawn_url"]):
        assert client.get(f"{url}?thumbnail").status_code == 404
    client.force_login(get_user_model().objects.create_superuser("root"))
    assert client.get(thumbnail).status_code == 404


def test_a_picture_name_is_not_used_as_path_or_markup(client, media):
    name = "../../<script>alert(1)</script>\x01.png"

    answer = post(client, store="true", name=name).json()

    page = client.get("/detect-image/pictures/").content.decode()
    assert "<script>alert" not in page
    assert {path.suffix for path in media.rglob("*.*")} == {".png", ".jpeg"}
    assert "script" not in answer["original_url"]
    export = client.get(answer["export_url"] + "?as=csv")
    assert "\x01" not in export["Content-Disposition"]


@pytest.mark.parametrize(
    ("parameters", "media_type", "text"),
    [
        ({"as": "json"}, "application/json", '"class_name": "tomato"'),
        ({"as": "coco"}, "application/json", '"bbox": [\n    320.0,\n    0.0,\n    320.0,'),
        ({"as": "yolo"}, "text/plain", "0 0.500000 0.166667 0.333333 0.333333\n1 "),
        ({"as": "voc"}, "application/xml", "<xmin>320</xmin>"),
        ({"as": "csv"}, "text/csv", "cells.png,0,tomato,1.0,320.0,0.0,640.0,320.0\n"),
    ],
)
def test_a_result_is_exported(client, parameters, media_type, text):
    url = post(client, store="true", name="cells.png").json()["export_url"]

    response = client.get(url, parameters)

    assert response["Content-Type"].startswith(media_type)
    assert response["Content-Disposition"].startswith('attachment; filename="cells.')
    assert text in response.content.decode()


def test_an_export_applies_the_filters(client):
    url = post(client, store="true").json()["export_url"]

    def classes(**parameters) -> list[str]:
        answer = json.loads(client.get(url, {"as": "json", **parameters}).content)
        return [detection["class_name"] for detection in answer["detections"]]

    assert classes(class_ids="1") == ["plum"]
    assert classes(class_ids="0,1") == ["tomato", "plum"]
    assert classes(class_ids="") == []
    assert classes(score_threshold="1", class_ids="0,1") == ["tomato", "plum"]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"as": "pdf"}, {"as": "csv", "class_ids": "a"}, {"as": "csv", "class_ids": "²"}],
)
def test_invalid_export_parameters_are_rejected(client, parameters):
    url = post(client, store="true").json()["export_url"]

    assert_problem(client.get(url, parameters), 422, "invalid_parameters")


def test_the_admin_shows_both_pictures_and_reruns_detection(client, media):
    stored = DetectedImage.objects.get(pk=post(client, store="true", name="cells.png").json()["id"])
    DetectedImage.objects.update(detections=[])
    thumbnails = [
        f"/admin/detect_image/detectedimage/{stored.pk}/picture/{field}/"
        for field in ("original", "drawn")
    ]
    assert [client.get(url).status_code for url in thumbnails] == [302, 302]
    client.force_login(get_user_model().objects.create_superuser("root"))
    listing = "/admin/detect_image/detectedimage/"

    page = client.get(listing).content.decode()
    assert all(url in page for url in thumbnails)
    assert [client.get(url)["Content-Type"] for url in thumbnails] == ["image/jpeg"] * 2
    assert client.get(f"{listing}{stored.pk}/picture/sha256/").status_code == 404
    client.post(listing, {"action": "detect_again", "_selected_action": [stored.pk]})

    again = DetectedImage.objects.get()
    assert [d["class_name"] for d in again.detections] == ["tomato", "plum"]
    assert again.drawn.name != stored.drawn.name


@pytest.fixture
def gallery_dir(settings, tmp_path: Path) -> Path:
    settings.GALLERY_DIR = tmp_path / "gallery"
    settings.GALLERY_DIR.mkdir()
    (settings.GALLERY_DIR / "cells.png").write_bytes(PICTURE)
    return settings.GALLERY_DIR


def test_the_gallery_serves_its_pictures_by_url_and_as_base64(client, gallery_dir):
    (listed,) = client.get("/api/gallery/").json()
    assert listed["name"] == "cells.png"

    for key in (listed["id"], "cells.png"):
        by_url = client.get("/api/gallery/picture/", {"key": key}).json()["picture"]
        picture = client.get(by_url)
        assert picture.content == PICTURE
        assert picture["X-Content-Type-Options"] == "nosniff"
        text = client.get("/api/gallery/picture/", {"key": key, "return": "base64"}).json()
        assert text["picture"] == f"data:image/png;base64,{BASE64}"


def test_the_gallery_directory_is_read_once_per_request(client, gallery_dir, monkeypatch):
    for number in range(50):
        (gallery_dir / f"{number}.png").write_bytes(PICTURE)
    looked_at = []
    is_file = Path.is_file

    def counted(path: Path) -> bool:
        looked_at.append(path)
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", counted)

    assert len(client.get("/api/gallery/").json()) == 51
    assert len([path for path in looked_at if path.parent == gallery_dir]) == 51


def test_a_removed_gallery_picture_is_not_found(client, gallery_dir, monkeypatch):
    listed = gallery.pictures()
    (gallery_dir / "cells.png").unlink()
    monkeypatch.setattr(gallery, "pictures", lambda: listed)
    key = listed[0].id

    assert client.get("/api/gallery/").status_code == 200
    assert client.get(f"/detect-image/gallery/{key}").status_code == 404
    shown = client.get("/api/gallery/picture/", {"key": key, "return": "base64"})
    assert_problem(shown, 404, "not_in_gallery")
    assert_problem(client.post(URL, {"gallery": key}), 404, "not_in_gallery")


def test_detection_works_on_a_gallery_picture(client, gallery_dir):
    for key in (client.get("/api/gallery/").json()[0]["id"], "cells.png"):
        answer = client.post(URL, {"gallery": key, "return": "url"}).json()
        assert [d["class_name"] for d in answer["detections"]] == ["tomato", "plum"]
        assert answer["name"] == "cells.png"


def test_an_empty_file_field_does_not_conflict_with_the_gallery(client, gallery_dir):
    assert client.post(URL, {"gallery": "cells.png", "image": ""}).status_code == 200


def test_view_permission_does_not_allow_rerunning_detection(client, media):
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_detectedimage"))
    stored = post(client, store="true").json()["id"]
    client.force_login(user)

    page = client.get("/admin/detect_image/detectedimage/").content.decode()

    assert stored in page
    assert "detect_again" not in page


@pytest.mark.parametrize(
    "key",
    [
        "../secret.png",
        "..%2fsecret.png",
        "%2e%2e/secret.png",
        "{outside}",
        "..\\secret.png",
        "secret.png\0",
        "cells.png\0.png",
        "link.png",
        "folder.png",
        "notes.txt",
        "/etc/passwd",
        "/dev/zero",
        ".",
        "",
        "nowhere.png",
    ],
)
def test_path_traversal_out_of_the_gallery_is_impossible(client, gallery_dir, key):
    outside = gallery_dir.parent / "secret.png"
    outside.write_bytes(PICTURE)
    (gallery_dir / "link.png").symlink_to(outside)
    (gallery_dir / "folder.png").mkdir()
    (gallery_dir / "notes.txt").write_text("no picture")
    key = key.format(outside=outside)

    shown = client.get("/api/gallery/picture/", {"key": key})
    detected = client.post(URL, json.dumps({"gallery": key}), "application/json")

    assert_problem(shown, 404, "not_in_gallery")
    if "\0" in key or not key:
        # Rejected by the field's validation.
        assert detected.status_code == 422
    else:
        assert_problem(detected, 404, "not_in_gallery")
        assert detected.json() == shown.json()


def test_every_known_model_is_listed(client):
    models = {model["name"]: model for model in client.get("/api/models/").json()}

    assert models["toy"]["is_default"] and models["toy"]["is_installed"]
    assert models["toy"]["class_names"] == ["tomato", "plum"]
    assert (models["toy"]["input_width"], models["toy"]["input_height"]) == (96, 96)
    assert not models["yolov3"]["is_installed"] and not models["yolov3"]["is_default"]
    assert models["resnet56v2-cifar10"]["is_default"]


def test_only_the_page_of_a_stored_picture_offers_to_delete_it(client):
    answer = post(client, store="true").json()
    address = f"/detect-image/pictures/{answer['id']}/delete/"

    assert address in client.get(answer["page_url"]).content.decode()
    assert "/delete/" not in client.get("/detect-image/").content.decode()
