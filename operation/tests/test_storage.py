"""Quota and full disks: uploads are rejected and leave no files."""

import base64
import errno
import os
import threading
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client

import classify.services
import detect_image.services
from classify.models import ClassifiedImage
from detect_image.models import DetectedImage
from detect_image.tests.test_api import PICTURE
from detect_video import chunked_uploads
from detect_video.api.tests.test_uploads import announce, announced, at_once, send
from detect_video.conftest import clip  # noqa: F401
from detect_video.jobs.scheduler import run
from detect_video.jobs.tasks import run_rendering
from detect_video.models import Rendering, State, Video
from web.errors import StorageFull
from web.storage import quota
from web.storage.owners import Owner

CLASSIFY, DETECT = "/api/classify/?store=true", "/api/detect/image/?return=url"
# Requests that store a picture only if possible.
STORING_IF_POSSIBLE = [
    "/api/classify/",
    "/api/classify/?store=if_possible",
    "/api/detect/image/?store=if_possible",
    "/api/detect/image/?store=if_possible&return=base64",
]

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def post(client: Client, url: str):
    return client.post(url, {"image": SimpleUploadedFile("cells.png", PICTURE)})


def assert_refused(response, status: int, code: str, media: Path) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert not ClassifiedImage.objects.exists() and not DetectedImage.objects.exists()
    assert [*media.rglob("*.*")] == []


@pytest.mark.parametrize("url", [CLASSIFY, DETECT])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_picture_leaves_no_files_when_the_disk_is_full(client, url, code, media, monkeypatch):
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("web.storage.disk.os.fsync", fail)

    assert_refused(post(client, url), 507, "storage_full", media)


@pytest.mark.parametrize("url", [CLASSIFY, DETECT])
def test_pictures_are_rejected_when_the_disk_is_nearly_full(client, url, settings, media):
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 2**62}

    assert_refused(post(client, url), 507, "storage_full", media)


@pytest.mark.parametrize(("url", "model"), [(CLASSIFY, ClassifiedImage), (DETECT, DetectedImage)])
def test_a_picture_leaves_no_files_when_the_database_is_full(
    client, url, model, media, monkeypatch
):
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(model, "save", fail)

    assert_refused(post(client, url), 507, "storage_full", media)


def test_a_locked_database_is_reported(client, monkeypatch, media):
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(ClassifiedImage, "save", fail)
    response = post(client, CLASSIFY)

    assert_refused(response, 503, "db_busy", media)
    assert response["Retry-After"] == "2"


def assert_answered_but_not_stored(response, code: str, media: Path) -> None:
    answer = response.json()
    assert response.status_code == 200
    assert answer.get("class_name") or [d["class_name"] for d in answer["detections"]]
    assert answer["stored"] is False and "id" not in answer
    assert answer["not_stored"]["code"] == code and answer["not_stored"]["detail"]
    assert not ClassifiedImage.objects.exists() and not DetectedImage.objects.exists()
    assert [*media.rglob("*.*")] == []


@pytest.mark.parametrize("url", STORING_IF_POSSIBLE)
@pytest.mark.parametrize("limit", ["visitors_bytes", "owner_bytes"])
def test_with_if_possible_an_exhausted_quota_does_not_prevent_the_answer(
    client, url, limit, settings, media
):
    settings.LIMITS = {**settings.LIMITS, limit: len(PICTURE) - 1}

    assert_answered_but_not_stored(post(client, url), "quota_exceeded", media)


@pytest.mark.parametrize("url", STORING_IF_POSSIBLE)
def test_with_if_possible_a_nearly_full_disk_does_not_prevent_the_answer(
    client, url, settings, media
):
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 2**62}

    assert_answered_but_not_stored(post(client, url), "storage_full", media)


@pytest.mark.parametrize("url", STORING_IF_POSSIBLE)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage_full"),
        (errno.EROFS, "storage_unusable"),
        (errno.EACCES, "storage_unusable"),
    ],
)
def test_with_if_possible_a_disk_error_does_not_prevent_the_answer(
    client, url, number, code, media, monkeypatch
):
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("web.storage.disk.os.fsync", fail)

    assert_answered_but_not_stored(post(client, url), code, media)


@pytest.mark.parametrize("url", STORING_IF_POSSIBLE)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("database is locked", "db_busy"),
        ("database or disk is full", "storage_full"),
        ("attempt to write a readonly database", "storage_unusable"),
    ],
)
def test_with_if_possible_a_database_error_does_not_prevent_the_answer(
    client, url, words, code, media, monkeypatch
):
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError(words)

    monkeypatch.setattr(SessionStore, "create", fail)

    assert_answered_but_not_stored(post(client, url), code, media)


@pytest.mark.parametrize(
    ("url", "module", "work"),
    [
        (CLASSIFY, classify.services, "classify_to_store"),
        (DETECT, detect_image.services, "draw_to_store"),
    ],
)
def test_concurrent_requests_cannot_exceed_the_quota(
    url, module, work, settings, media, monkeypatch
):
    both_have_room = threading.Barrier(2, timeout=60)
    original = getattr(module, work)

    def meet(*arguments: object, **options: object):
        both_have_room.wait()
        return original(*arguments, **options)

    monkeypatch.setattr(module, work, meet)
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": len(PICTURE)}
    user = User.objects.create_user("anna")
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(user)

    statuses = at_once(2, lambda number: post(clients[number], url).status_code)

    assert statuses == [200, 413]
    assert ClassifiedImage.objects.count() + DetectedImage.objects.count() == 1
    (folder,) = {path.parent for path in media.rglob("*.*")}


@pytest.mark.parametrize("url", STORING_IF_POSSIBLE)
def test_the_answer_says_that_the_picture_was_stored(client, url, media):
    answer = post(client, url).json()

    assert answer["stored"] is True and "not_stored" not in answer
    assert ClassifiedImage.objects.count() + DetectedImage.objects.count() == 1


@pytest.mark.parametrize("url", ["/api/classify/?store=false", "/api/detect/image/"])
def test_store_false_stores_nothing_and_creates_no_session(client, url, media):
    answer = post(client, url).json()

    assert answer["stored"] is False and "not_stored" not in answer
    assert not Session.objects.exists() and not media.exists()


@pytest.mark.parametrize("url", ["/api/classify/", "/api/detect/image/"])
@pytest.mark.parametrize("value", [True, "true", "True", "1", False, "false", "if_possible"])
def test_store_may_be_a_json_value_or_text(client, url, value):
    text = base64.b64encode(PICTURE).decode()
    response = client.post(url, {"image": text, "store": value}, "application/json")

    assert response.json()["stored"] is (value not in (False, "false"))


@pytest.mark.parametrize("value", ["perhaps", 2, None, [], {"a": 1}])
def test_an_invalid_store_value_is_a_problem(client, value):
    body = {"image": base64.b64encode(PICTURE).decode(), "store": value}

    response = client.post("/api/classify/", body, "application/json")

    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameters")
    assert "store" in response.json()["errors"]


def test_a_chunk_that_does_not_fit_on_the_disk_leaves_the_upload_unchanged(
    client,
    clip,  # noqa: F811
    media,
    monkeypatch,
):
    video = announced(client, clip)
    send(client, video, clip[:100], 0)
    real_append = chunked_uploads.append_chunk

    class Full:
        """Writes ten bytes, then fails with ENOSPC."""

        def __init__(self, file: object) -> None:
            self.file, self.truncate, self.written = file, file.truncate, 0

        def write(self, data: bytes) -> int:
            if self.written:
                raise OSError(errno.ENOSPC, "full")
            self.written = self.file.write(data[:10])
            return self.written

    with monkeypatch.context() as patched:
        patched.setattr(
            "detect_video.chunked_uploads.append_chunk",
            lambda file, chunk, arrived: real_append(Full(file), chunk, arrived),
        )
        full = send(client, video, clip[100:], 100)

    assert (full.status_code, full.json()["code"]) == (507, "storage_full")
    assert client.head(video["urls"]["upload"])["Upload-Offset"] == "100"
    assert send(client, video, clip[100:], 100).status_code == 204


@pytest.mark.parametrize("url", [CLASSIFY, DETECT])
def test_pictures_above_the_quota_are_rejected_before_decoding(
    client, url, settings, media, monkeypatch
):
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": len(PICTURE) - 1}
    monkeypatch.setattr("web.rest.picture_uploads.read_picture", None)

    assert_refused(post(client, url), 413, "quota_exceeded", media)


def test_deleted_media_does_not_count_towards_the_quota(client, settings):
    stored = post(client, DETECT).json()
    post(client, CLASSIFY)
    owner = Owner(session_key=client.session.session_key)
    files = [path.stat().st_size for path in settings.MEDIA_ROOT.rglob("*.*")]

    assert quota.used_bytes(owner) == sum(files) > 0
    client.delete(f"/api/pictures/{stored['id']}/")
    classified = ClassifiedImage.objects.get()
    assert quota.used_bytes(owner) == len(PICTURE) + classified.file_thumbnail.size


def test_each_owner_has_a_separate_quota(settings):
    first, second = Client(), Client()
    assert post(first, CLASSIFY).status_code == 200
    used_bytes = ClassifiedImage.objects.get().size_bytes
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": used_bytes + len(PICTURE) - 1}
    assert post(first, CLASSIFY).status_code == 413
    assert post(second, CLASSIFY).status_code == 200


def test_clients_without_cookies_share_a_limit_that_accounts_do_not(settings):
    account = Client()
    account.force_login(User.objects.create_user("anna"))
    assert post(Client(), CLASSIFY).status_code == 200
    used_bytes = ClassifiedImage.objects.get().size_bytes
    settings.LIMITS = {**settings.LIMITS, "visitors_bytes": used_bytes + len(PICTURE)}

    answers = [post(Client(), CLASSIFY).status_code for _ in range(2)]

    assert answers == [200, 413]
    assert post(account, CLASSIFY).status_code == 200


def test_without_a_quota_storage_is_unlimited(client, settings):
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": 0, "visitors_bytes": 0}

    assert post(client, CLASSIFY).status_code == 200


def test_announced_videos_do_not_use_up_the_quota(client, clip, settings):  # noqa: F811
    most = settings.LIMITS["video_bytes"]
    settings.LIMITS = {**settings.LIMITS, "visitors_bytes": most + len(PICTURE)}

    statuses = [
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(
            "/api/videos/", {"name": "clip.mp4", "size_bytes": most}
        )
        for number in range(65)
    ]

    assert [answer.status_code for answer in statuses] == [201] * 65
    assert post(client, CLASSIFY).status_code == 200
    assert quota.visitors_bytes() == ClassifiedImage.objects.get().size_bytes


def test_videos_count_by_their_received_bytes(client, clip, settings):  # noqa: F811
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": len(clip) + 98}
    first, second = announced(client, clip), announced(client, clip[:-1])
    send(client, first, clip[:100], 0)

    refused = send(client, second, clip[:-1], 0)
    send(client, second, clip[:-2], 0)

    owner = Owner(session_key=client.session.session_key)
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    assert "Delete pictures or videos" in refused.json()["detail"]
    assert quota.used_bytes(owner) == 100 + len(clip) - 2
    assert client.head(second["urls"]["upload"])["Upload-Offset"] == str(len(clip) - 2)
    too_much = announce(client, clip, sha256="0" * 64)
    assert (too_much.status_code, too_much.json()["code"]) == (413, "quota_exceeded")


def test_renderings_count_and_are_rejected_above_the_quota(client, clip, settings):  # noqa: F811
    video = announced(client, clip)
    send(client, video, clip, 0)
    Video.objects.update(state=State.DONE, frames_detected=20)
    options = {"codec": "mjpg"}
    owner_bytes = 2 * len(clip) + Video.objects.get().poster_bytes
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": owner_bytes}

    answers = [
        client.post(
            video["urls"]["renderings"], options, content_type="application/json"
        ).status_code
        for _ in range(2)
    ]
    rendering = Rendering.objects.get()
    rendering.claim()
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": len(clip)}
    run(rendering, run_rendering, None)

    assert answers == [202, 413]
    assert (rendering.state, rendering.error_code) == (State.FAILED, "quota_exceeded")


def test_concurrent_renderings_cannot_exceed_the_quota(client, clip, settings):  # noqa: F811
    video = announced(client, clip)
    send(client, video, clip, 0)
    Video.objects.update(state=State.DONE, frames_detected=20)
    owner_bytes = 2 * len(clip) + Video.objects.get().poster_bytes
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": owner_bytes}

    def ask(_: int) -> int:
        address, options = video["urls"]["renderings"], {"codec": "mjpg"}
        return client.post(address, options, content_type="application/json").status_code

    statuses = at_once(8, ask)

    assert statuses == [202] + [413] * 7
    assert Rendering.objects.count() == 1


@pytest.fixture
def rendering(client, clip, monkeypatch) -> Rendering:  # noqa: F811
    """A claimed rendering, whose size is checked after each frame."""
    monkeypatch.setattr("detect_video.video.rendering.REPORT_SIZE_EVERY_S", 0)
    video = announced(client, clip)
    send(client, video, clip, 0)
    Video.objects.update(state=State.DONE, frames_detected=20)
    client.post(video["urls"]["renderings"], {"codec": "mjpg"}, content_type="application/json")
    rendering = Rendering.objects.get()
    rendering.claim()
    return rendering


def test_a_rendering_that_exceeds_the_quota_fails_and_leaves_no_file(
    client,
    clip,  # noqa: F811
    rendering,
    settings,
):
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": 2 * len(clip) + 1000}

    run(rendering, run_rendering, None)

    assert (rendering.state, rendering.error_code) == (State.FAILED, "quota_exceeded")
    assert 0 < rendering.frames_done < 20
    assert [*rendering.folder.iterdir()] == []
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": 0}
    again = f"/api/videos/{rendering.video_id}/renderings/"
    answer = client.post(again, {"codec": "mjpg"}, content_type="application/json")
    assert answer.status_code == 202


def test_a_rendering_that_fills_the_disk_fails_and_leaves_no_file(rendering, monkeypatch):
    def full(more_bytes: int) -> None:
        raise StorageFull("The server has no room.")

    monkeypatch.setattr("detect_video.jobs.tasks.check_room", full)

    run(rendering, run_rendering, None)

    assert (rendering.state, rendering.error_code) == (State.FAILED, "storage_full")
    assert [*rendering.folder.iterdir()] == []


MEDIA_PAGES = ["/classify/", "/classify/pictures/", "/detect-image/pictures/", "/detect-video/"]


@pytest.mark.parametrize("url", MEDIA_PAGES)
def test_media_pages_show_usage_and_retention(client, url, settings):
    post(client, CLASSIFY)
    page = client.get(url).content.decode()
    settings.RETENTION_DAYS = 30

    assert "of 2 GB" in page and "are deleted after" not in page
    assert "deleted after 30 days" in client.get(url).content.decode()


@pytest.mark.parametrize("url", MEDIA_PAGES)
def test_media_pages_show_visitors_their_retention(client, url):
    of_visitor = client.get(url).content.decode()
    client.force_login(User.objects.create_user("anna"))
    of_account = client.get(url).content.decode()

    assert "14 days after your last visit" in of_visitor
    assert "last visit" not in of_account
    assert "staff can see them" in of_visitor and "staff can see them" in of_account


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL waits for the disk by itself")
def test_sqlite_syncs_to_disk_before_a_commit_returns():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")

        assert cursor.fetchone() == (2,), "2 is FULL"
