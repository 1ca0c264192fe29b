"""Thumbnails of stored pictures: made once, stored, counted and deleted with the pictures."""

import io
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from classify.models import ClassifiedImage
from detect_image.models import DetectedImage
from detect_image.tests.test_api import PICTURE
from web.rest import picture_uploads
from web.storage import pages

STORED = [
    ("/api/classify/", ClassifiedImage, ["file"]),
    ("/api/detect/image/?store=true", DetectedImage, ["original", "drawn"]),
]

pytestmark = [
    pytest.mark.usefixtures("toy_detector"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize(("url", "model", "fields"), STORED),
]


@pytest.fixture(autouse=True)
def media_dir(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def store(client: Client, url: str, model: type):
    """Upload a picture and return its row."""
    response = client.post(url, {"image": SimpleUploadedFile("cells.png", PICTURE)})
    assert response.json()["stored"], response.json()
    return model.objects.get()


def store_without_thumbnails(client: Client, url: str, model: type, fields: list[str]):
    """A row from before there were thumbnails."""
    row = store(client, url, model)
    for field in fields:
        file = getattr(row, field + "_thumbnail")
        row.size_bytes -= file.size
        file.delete(save=False)
    row.save()
    return row


def thumbnail_urls(row, fields: list[str]) -> list[str]:
    return [f"{getattr(row, field + '_url')}?thumbnail" for field in fields]


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_thumbnails_are_made_at_upload_and_served_without_decoding(
    client, monkeypatch, url, model, fields
):
    row = store(client, url, model)
    monkeypatch.setattr(pages, "decode_image", None)
    admin = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/picture/"

    answers = [client.get(each) for each in thumbnail_urls(row, fields)]
    client.force_login(get_user_model().objects.create_superuser("root"))
    answers += [client.get(f"{admin}{field}/") for field in fields]

    for answer in answers:
        assert answer["Content-Type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (480, 480)


def test_thumbnails_count_as_stored_and_are_deleted_with_the_picture(
    client, media_dir, url, model, fields
):
    row = store(client, url, model)

    assert row.size_bytes == stored_bytes(media_dir)
    row.delete()
    assert stored_bytes(media_dir) == 0


def test_missing_thumbnails_are_made_at_the_first_request(
    client, media_dir, monkeypatch, url, model, fields
):
    row = store_without_thumbnails(client, url, model, fields)
    before_bytes = row.size_bytes

    first = [client.get(each).content for each in thumbnail_urls(row, fields)]
    monkeypatch.setattr(pages, "decode_image", None)
    second = [client.get(each).content for each in thumbnail_urls(row, fields)]

    row.refresh_from_db()
    assert first == second and all(Image.open(io.BytesIO(each)).size for each in first)
    assert before_bytes + sum(map(len, first)) == row.size_bytes == stored_bytes(media_dir)


def test_making_a_missing_thumbnail_waits_for_a_memory_slot(
    client, monkeypatch, url, model, fields
):
    row = store_without_thumbnails(client, url, model, fields)
    places = []

    def counted(*arguments: object):
        places.append(picture_uploads._in_memory.total())
        return decode_image(*arguments)

    decode_image = pages.decode_image
    monkeypatch.setattr(pages, "decode_image", counted)

    assert {client.get(each).status_code for each in thumbnail_urls(row, fields)} == {200}
    assert places == [1] * len(fields)


def test_missing_thumbnails_are_served_even_on_a_full_disk(
    client, media_dir, settings, url, model, fields
):
    row = store_without_thumbnails(client, url, model, fields)
    before_bytes = stored_bytes(media_dir)
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 2**62}

    assert {client.get(each).status_code for each in thumbnail_urls(row, fields)} == {200}
    assert stored_bytes(media_dir) == before_bytes == row.size_bytes


def test_the_admin_shows_no_image_for_a_missing_file(client, media_dir, url, model, fields):
    store(client, url, model)
    for path in media_dir.rglob("*.*"):
        path.unlink()
    client.force_login(get_user_model().objects.create_superuser("root"))

    page = client.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/").content.decode()

    assert "1 " in page and "/picture/" not in page
