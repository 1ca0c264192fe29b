"""The video API: ownership, files, results and renderings."""

import csv
import io
import json
import re
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client
from PIL import Image

from detect_video import exports
from detect_video.api.responses import parse_range
from detect_video.api.tests.test_uploads import announced, assert_problem, upload
from detect_video.jobs.tests.test_jobs import (
    done_video,
    queued_video,
    rendering_of,
    work_off,
)
from detect_video.models import FrameResult, Rendering, State, Video
from detect_video.services import stored_frames
from detect_video.tests.clips import frame_number, write_clip
from web.storage.owners import Owner
from web.storage.quota import used_bytes

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]

RENDERING = {"codec": "mjpg", "score_threshold": 0.3, "hidden_classes": [1], "show_scores": False}


@pytest.fixture
def reader(owner) -> AsyncClient:
    """An async client of the owner, for streamed responses."""
    client = AsyncClient()
    client.force_login(owner)
    return client


@pytest.fixture(name="done_video")
def done_video_of_owner(owner, clip) -> Video:
    return done_video(clip, user=owner)


def url(video: Video, rest: str = "") -> str:
    return f"/api/videos/{video.pk}/{rest}"


def post(client: Client, address: str, body: object):
    return client.post(address, json.dumps(body), content_type="application/json")


async def body_of(response) -> bytes:
    return b"".join([block async for block in response.streaming_content])


def test_videos_are_listed_newest_first(client, clip):
    older = upload(client, clip)
    newer = announced(client, b"x" * 10)

    listed = client.get("/api/videos/").json()

    assert [video["id"] for video in listed] == [newer["id"], older["id"]]


def test_a_visitor_without_an_account_keeps_videos_in_the_session(clip):
    visitor = Client()
    video = upload(visitor, clip)

    assert visitor.get(video["urls"]["self"]).status_code == 200
    assert visitor.get(video["urls"]["page"]).status_code == 200
    assert [mine["id"] for mine in visitor.get("/api/videos/").json()] == [video["id"]]
    assert Client().get("/api/videos/").json() == []
    assert_problem(Client().get(video["urls"]["self"]), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("get", ""),
        ("delete", ""),
        ("head", "upload/"),
        ("patch", "upload/"),
        ("get", "file/"),
        ("get", "poster/"),
        ("post", "cancel/"),
        ("post", "retry/"),
        ("post", "detect-again/"),
        ("get", "results.jsonl"),
        ("get", "results.csv"),
        ("get", "results.coco.json"),
        ("post", "renderings/"),
        ("get", "renderings/{rendering}/"),
        ("delete", "renderings/{rendering}/"),
        ("get", "renderings/{rendering}/file/"),
    ],
)
def test_other_peoples_videos_are_not_found(client, done_video, method, rest):
    post(client, url(done_video, "renderings/"), RENDERING)
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user("stranger"))
    address = url(done_video, rest.format(rendering=Rendering.objects.get().pk))
    headers = {"Upload-Offset": "0"} if method == "patch" else {}

    response = getattr(stranger, method)(address, headers=headers)

    assert response.status_code == 404
    assert Video.objects.filter(pk=done_video.pk).exists()
    assert Rendering.objects.exists()
    missing = getattr(client, method)(f"/api/videos/{uuid.uuid4()}/{rest}", headers=headers)
    assert missing.status_code == 404


def test_the_page_of_another_owners_video_is_not_found(client, done_video):
    assert client.get(f"/detect-video/{done_video.pk}/").context["video"] == done_video
    assert Client().get(f"/detect-video/{done_video.pk}/").status_code == 404
    assert client.get("/detect-video/").context["video"] is None


def test_deleting_a_video_removes_its_rows_and_files(client, done_video, media):
    post(client, url(done_video, "renderings/"), RENDERING)
    work_off()

    assert client.delete(url(done_video)).status_code == 204

    assert not Video.objects.exists() and not FrameResult.objects.exists()
    assert not Rendering.objects.exists()
    assert list((media / "detect_video").iterdir()) == []


def test_deleting_an_account_deletes_its_files(client, done_video, owner, media):
    owner.delete()

    assert list((media / "detect_video").iterdir()) == []


def test_a_cancelled_video_can_be_resumed(client, owner, clip):
    video = queued_video(clip, user=owner)

    cancelled = client.post(url(video, "cancel/")).json()
    queued = client.post(url(video, "retry/")).json()

    assert (cancelled["state"], queued["state"]) == ("cancelled", "queued")


def test_a_finished_video_is_neither_cancelled_nor_retried(client, done_video):
    assert client.post(url(done_video, "cancel/")).json()["state"] == "done"
    assert client.post(url(done_video, "retry/")).json()["state"] == "done"


async def test_the_downloaded_file_is_the_uploaded_one(reader, done_video, clip):
    response = await reader.get(url(done_video, "file/"))

    assert response.status_code == 200
    assert response["Content-Type"] == "video/mp4"
    assert response["Content-Length"] == str(len(clip))
    assert response["Accept-Ranges"] == "bytes"
    assert "private" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert await body_of(response) == clip


async def test_a_range_of_the_file_can_be_requested(reader, done_video, clip):
    response = await reader.get(url(done_video, "file/"), headers={"Range": "bytes=10-19"})

    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes 10-19/{len(clip)}"
    assert response["Content-Length"] == "10"
    assert await body_of(response) == clip[10:20]


async def test_a_range_outside_of_the_file_is_refused(reader, done_video, clip):
    headers = {"Range": f"bytes={len(clip)}-"}
    response = await reader.get(url(done_video, "file/"), headers=headers)

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(clip)}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=40-", (40, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("frames=0-1", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_range_headers_are_parsed(header, expected):
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_outside_of_the_file_are_errors(header):
    with pytest.raises(ValueError):
        parse_range(header, 100)


def test_a_complete_video_has_a_small_upright_poster(client, tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=3, size_wh=(640, 480), rotation=90)

    video = upload(client, path.read_bytes())
    poster = client.get(video["urls"]["poster"])

    assert (video["width"], video["height"]) == (640, 480)
    assert poster["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(poster.content)) as picture:
        assert picture.size == (320, 240)
        assert frame_number(np.asarray(picture)) == 0
    assert len(poster.content) < 20_000


def test_the_poster_counts_towards_the_quota_and_is_deleted_with_its_video(
    client, owner, clip, media
):
    video = upload(client, clip)
    poster_bytes = len(client.get(video["urls"]["poster"]).content)

    assert used_bytes(Owner(user=owner)) == len(clip) + poster_bytes
    client.delete(video["urls"]["self"])
    assert [path for path in media.rglob("*") if path.is_file()] == []
    assert_problem(client.get(video["urls"]["poster"]), 404, "not_found")


def test_a_video_without_a_poster_has_no_url_for_one(client, done_video):
    assert "poster" not in client.get(url(done_video)).json()["urls"]
    assert_problem(client.get(url(done_video, "poster/")), 404, "not_found")


def test_a_file_missing_from_the_disk_is_reported(client, done_video):
    """For example, after a disk failure."""
    done_video.refresh_from_db()
    saved = rendering_of(done_video)
    work_off()
    saved.refresh_from_db()
    done_video.source_path.unlink()
    Path(saved.file.path).unlink()

    assert_problem(client.get(url(done_video, "file/")), 404, "file_gone")
    address = url(done_video, f"renderings/{saved.pk}/file/")
    assert_problem(client.get(address), 404, "file_gone")


def test_an_unfinished_upload_has_no_file_yet(client, clip):
    video = announced(client, clip)

    assert_problem(client.get(video["urls"]["file"]), 409, "not_finished")


async def test_results_as_json_lines(reader, done_video):
    response = await reader.get(url(done_video, "results.jsonl"))
    lines = [json.loads(line) for line in (await body_of(response)).decode().splitlines()]

    assert response["Content-Disposition"] == 'attachment; filename="clip.jsonl"'
    assert [line["frame_index"] for line in lines] == list(range(20))
    assert lines[3]["pts_s"] == 0.3
    assert lines[3]["image"] == {"width": 96, "height": 96}
    assert (lines[3]["file"], lines[3]["model"]) == ("clip.mp4", "toy")
    (found,) = lines[3]["detections"]
    assert (found["class_id"], found["class_name"]) == (0, "tomato")


async def test_results_as_a_table(reader, done_video):
    response = await reader.get(url(done_video, "results.csv"))
    rows = list(csv.DictReader(io.StringIO((await body_of(response)).decode())))

    assert len(rows) == 20
    assert (rows[1]["frame_index"], rows[1]["pts_s"]) == ("1", "0.1")
    assert rows[1]["class_name"] == "tomato"
    assert float(rows[1]["x_min"]) == pytest.approx(32, abs=2)


async def test_results_as_coco(reader, done_video):
    response = await reader.get(url(done_video, "results.coco.json"))
    document = json.loads(await body_of(response))

    assert [image["id"] for image in document["images"]] == list(range(1, 21))
    assert document["images"][0]["file_name"] == "clip.mp4#000001"
    assert [found["image_id"] for found in document["annotations"]] == list(range(1, 21))
    assert document["annotations"][0]["bbox"] == pytest.approx([0, 0, 32, 32], abs=2)
    assert document["categories"] == [{"id": 1, "name": "tomato"}]


async def test_coco_has_an_image_for_each_annotation_while_detection_goes_on(
    reader, done_video, monkeypatch
):
    def found_meanwhile(video_id, *, first: int, limit: int):
        page = stored_frames(video_id, first=first, limit=limit)
        if not page and first == 20:
            last = done_video.frames.last()
            last.pk, last.frame_index, last.pts_us = None, 20, 2_000_000
            last.save()
        return page

    monkeypatch.setattr(exports, "stored_frames", found_meanwhile)
    response = await reader.get(url(done_video, "results.coco.json"))
    document = json.loads(await body_of(response))

    images = [image["id"] for image in document["images"]]
    assert images == [found["image_id"] for found in document["annotations"]]
    assert await done_video.frames.acount() == 21


@pytest.mark.parametrize("found", [[], None])
async def test_empty_results_are_valid_documents(reader, owner, clip, found):
    video = await sync_to_async(queued_video)(clip, user=owner)
    if found is not None:
        await FrameResult.objects.acreate(video=video, frame_index=0, pts_us=0, detections=found)

    document = json.loads(await body_of(await reader.get(url(video, "results.coco.json"))))
    table = await body_of(await reader.get(url(video, "results.csv")))

    assert len(document["images"]) == (0 if found is None else 1)
    assert document["annotations"] == document["categories"] == []
    assert table.count(b"\n") == 1


async def test_a_finished_video_is_saved_and_downloaded(client, reader, owner, done_video):
    asked = await sync_to_async(post)(client, url(done_video, "renderings/"), RENDERING)
    queued = asked.json()
    await sync_to_async(work_off)()

    rendering = (await reader.get(asked["Location"])).json()
    video = (await reader.get(url(done_video))).json()
    file = await reader.get(rendering["urls"]["file"])

    assert (asked.status_code, queued["state"]) == (202, "queued")
    assert "file" not in queued["urls"]
    assert (rendering["state"], rendering["frames_done"]) == ("done", 20)
    assert (rendering["hidden_classes"], rendering["hidden_class_names"]) == ([1], ["plum"])
    assert (rendering["show_names"], rendering["show_scores"]) == (True, False)
    assert video["renderings"] == [rendering]
    assert re.search(r"clip-\d{8}T\d{6}Z\.avi", file["Content-Disposition"])
    saved = await body_of(file)
    assert (saved[:4], len(saved)) == (b"RIFF", rendering["size_bytes"])


def test_renderings_of_one_video_have_different_file_names(client, done_video):
    for _ in range(2):
        post(client, url(done_video, "renderings/"), RENDERING)
    work_off()
    older, newer = Rendering.objects.order_by("created_at")

    older.created_at -= timedelta(seconds=1)

    assert older.download_name.startswith("clip-") and older.download_name.endswith(".avi")
    assert older.download_name != newer.download_name


def test_hidden_classes_unknown_to_the_model_are_named_by_their_id(client, done_video):
    wanted = {**RENDERING, "hidden_classes": [0, 7]}

    rendering = post(client, url(done_video, "renderings/"), wanted).json()

    assert rendering["hidden_class_names"] == ["tomato", "#7"]


@pytest.mark.parametrize("state", [state for state in State if state != State.DONE])
def test_only_a_finished_video_is_saved(client, owner, clip, state):
    video = queued_video(clip, user=owner, state=state)

    assert_problem(post(client, url(video, "renderings/"), RENDERING), 409, "not_finished")


@pytest.mark.parametrize(
    "wrong",
    [
        {"codec": "gif"},
        {"score_threshold": 1.1},
        {"score_threshold": "nan"},
        {"hidden_classes": [-1]},
        {"hidden_classes": "all"},
    ],
)
def test_invalid_rendering_options_are_refused(client, done_video, wrong):
    response = post(client, url(done_video, "renderings/"), {**RENDERING, **wrong})

    assert_problem(response, 422, "invalid_parameters")


def test_a_rendering_is_cancelled_by_deleting_it(client, done_video):
    address = post(client, url(done_video, "renderings/"), RENDERING)["Location"]

    assert_problem(client.get(address + "file/"), 409, "not_finished")
    assert client.delete(address).status_code == 204
    assert_problem(client.get(address), 404, "not_found")


@pytest.mark.parametrize(("accepted", "language"), [("zh-CN", "zh-hans"), ("en", "en")])
def test_a_rendering_uses_the_language_of_the_request(client, done_video, accepted, language):
    address = url(done_video, "renderings/")
    client.post(address, RENDERING, "application/json", headers={"Accept-Language": accepted})

    assert Rendering.objects.get().language == language


def test_the_error_of_a_video_is_in_the_language_of_the_request(client, done_video):
    failure = {"error_code": "video_too_long", "error": "The video has 700 seconds."}
    Video.objects.update(state=State.FAILED, **failure)

    english = client.get(url(done_video), headers={"Accept-Language": "en"}).json()
    chinese = client.get(url(done_video), headers={"Accept-Language": "zh-CN"}).json()

    assert english["error"] == failure["error"]
    assert chinese["error"] == "视频过长。"
    assert chinese["error_code"] == "video_too_long"
