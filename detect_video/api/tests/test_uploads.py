"""Announcements and uploads of videos, with valid and invalid requests."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from filelock import FileLock

from detect_video import chunked_uploads
from detect_video.api import uploads as upload_api
from detect_video.models import State, Video

URL = "/api/videos/"
CHUNK_TYPE = "application/offset+octet-stream"

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def announce(client: Client, data: bytes, **more: object):
    body = {"name": "clip.mp4", "size_bytes": len(data), "sha256": sha256_of(data), **more}
    return client.post(URL, json.dumps(body), content_type="application/json")


def announced(client: Client, data: bytes, **more: object) -> dict:
    return announce(client, data, **more).json()


def send(client: Client, video: dict, chunk: bytes, offset: int):
    return client.patch(
        video["urls"]["upload"],
        chunk,
        content_type=CHUNK_TYPE,
        headers={"Upload-Offset": str(offset)},
    )


def upload(client: Client, data: bytes, **more: object) -> dict:
    """Upload a complete video."""
    video = announced(client, data, **more)
    assert send(client, video, data, 0).status_code == 204
    return client.get(video["urls"]["self"]).json()


def offset_of(client: Client, video: dict) -> int:
    return int(client.head(video["urls"]["upload"])["Upload-Offset"])


def assert_problem(response, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["code"] == code


def at_once(requests: int, ask: Callable[[int], int]) -> list[int]:
    """Send numbered requests concurrently; return their sorted statuses."""
    together = threading.Barrier(requests)

    def one(number: int) -> int:
        # The server closes it, too, at the end of a request.
        with closing(connection):
            together.wait()
            return ask(number)

    with ThreadPoolExecutor(requests) as threads:
        return sorted(threads.map(one, range(requests)))


def test_a_video_sent_in_chunks_is_complete_and_queued(client, clip, media):
    response = announce(client, clip)
    video = response.json()
    middle = len(clip) // 2

    first = send(client, video, clip[:middle], 0)
    last = send(client, video, clip[middle:], middle)

    assert response.status_code == 201
    assert response["Location"] == video["urls"]["self"]
    assert (video["state"], video["received_bytes"]) == ("uploading", 0)
    assert (first.status_code, first["Upload-Offset"]) == (204, str(middle))
    assert (last.status_code, last["Upload-Offset"]) == (204, str(len(clip)))
    video = client.get(video["urls"]["self"]).json()
    assert (video["state"], video["received_bytes"]) == ("queued", len(clip))
    assert (video["width"], video["height"], video["rate"]) == (96, 96, "10/1")
    assert video["duration_s"] == pytest.approx(2)
    stored = sorted(path.name for path in media.rglob("*") if path.is_file())
    assert stored == ["source", "source.jpg"]


def test_an_interrupted_upload_resumes_at_its_offset(client, clip):
    video = announced(client, clip)
    send(client, video, clip[:1000], 0)

    again = announce(client, clip)
    head = client.head(video["urls"]["upload"])

    assert (again.status_code, again.json()["id"]) == (200, video["id"])
    assert (head["Upload-Offset"], head["Upload-Length"]) == ("1000", str(len(clip)))
    assert send(client, video, clip[1000:], 1000).status_code == 204
    assert client.get(video["urls"]["self"]).json()["sha256"] == sha256_of(clip)


def test_the_offset_includes_bytes_that_a_killed_process_did_not_record(client, clip):
    video = announced(client, clip)
    send(client, video, clip[:1000], 0)
    with Video.objects.get().part_path.open("ab") as part:
        part.write(clip[1000:1500])

    assert offset_of(client, video) == 1500
    assert send(client, video, clip[1500:], 1500).status_code == 204


def test_an_empty_chunk_completes_an_upload_whose_last_request_was_interrupted(client, clip):
    video = announced(client, clip)
    row = Video.objects.get()
    row.folder.mkdir(parents=True)
    row.part_path.write_bytes(clip)

    assert offset_of(client, video) == len(clip)
    assert send(client, video, b"", len(clip)).status_code == 204
    assert send(client, video, b"", len(clip)).status_code == 204
    assert client.get(video["urls"]["self"]).json()["state"] == "queued"


def test_an_upload_killed_between_the_rename_and_the_row_update_is_completed(client, clip):
    video = announced(client, clip)
    row = Video.objects.get()
    row.folder.mkdir(parents=True)
    row.source_path.write_bytes(clip)

    assert offset_of(client, video) == len(clip)
    assert send(client, video, b"", len(clip)).status_code == 204
    assert Video.objects.get().source_path.read_bytes() == clip


@pytest.mark.parametrize("offset", [0, 999, 1001])
def test_a_chunk_at_a_wrong_offset_is_refused_with_the_current_one(client, clip, offset):
    video = announced(client, clip)
    send(client, video, clip[:1000], 0)

    response = send(client, video, clip[offset : offset + 10], offset)

    assert_problem(response, 409, "wrong_offset")
    assert response["Upload-Offset"] == "1000"
    assert offset_of(client, video) == 1000


def test_concurrent_chunks_of_one_upload_are_refused(client, clip):
    video = announced(client, clip)
    send(client, video, clip[:10], 0)
    with FileLock(Video.objects.get().folder / chunked_uploads.LOCK_NAME):
        response = send(client, video, clip[10:20], 10)

    assert_problem(response, 409, "upload_busy")
    assert offset_of(client, video) == 10


def test_the_lock_of_a_killed_server_does_not_stop_an_upload(client, clip, media):
    video = announced(client, clip)
    send(client, video, clip[:10], 0)
    lock_path = Video.objects.get().folder / chunked_uploads.LOCK_NAME
    program = "import os, sys, filelock; filelock.FileLock(sys.argv[1]).acquire(); os.abort()"
    subprocess.run([sys.executable, "-c", program, lock_path], check=False)
    assert lock_path.exists()

    assert send(client, video, clip[10:], 10).status_code == 204
    assert not lock_path.exists()


def test_a_file_that_differs_from_the_announced_one_starts_over(client, clip):
    video = announced(client, clip)
    damaged = b"x" + clip[1:]

    response = send(client, video, damaged, 0)

    assert_problem(response, 422, "checksum_mismatch")
    assert offset_of(client, video) == 0
    assert send(client, video, clip, 0).status_code == 204


def test_a_file_that_is_no_video_fails_and_is_not_stored(client, media):
    text = b"#EXTM3U\nsecret.ts\n" * 50
    video = announced(client, text)

    response = send(client, video, text, 0)

    assert response.status_code in (415, 422)
    code = json.loads(response.content)["code"]
    failed = client.get(video["urls"]["self"]).json()
    assert (failed["state"], failed["error_code"]) == ("failed", code)
    assert not [path for path in media.rglob("*") if path.is_file()]
    assert_problem(send(client, video, text, 0), 409, "upload_finished")
    assert_problem(client.post(video["urls"]["retry"]), 409, "not_finished")
    assert announce(client, text).status_code == 201


def test_a_known_file_is_recognised_by_its_checksum(client, clip):
    video = upload(client, clip)

    again = announce(client, clip, name="copy.mp4")

    assert (again.status_code, again.json()["id"]) == (200, video["id"])


def test_without_a_checksum_an_unfinished_upload_is_found_by_name_and_size(client, clip):
    video = announced(client, clip, sha256="")

    assert announced(client, clip, sha256="")["id"] == video["id"]
    assert announced(client, clip, sha256="", name="other.mp4")["id"] != video["id"]
    send(client, video, clip, 0)
    assert client.get(video["urls"]["self"]).json()["sha256"] == sha256_of(clip)
    assert announced(client, clip)["id"] == video["id"]


def test_a_chunk_may_have_as_many_bytes_as_the_limit_and_not_one_more(client, settings, clip):
    settings.LIMITS = {**settings.LIMITS, "video_chunk_bytes": 1000}
    video = announced(client, clip)

    assert_problem(send(client, video, clip[:1001], 0), 413, "chunk_too_large")
    assert send(client, video, clip[:1000], 0).status_code == 204


def test_a_chunk_beyond_the_announced_end_is_refused(client, clip):
    video = announced(client, clip)

    assert_problem(send(client, video, clip + b"x", 0), 413, "chunk_too_large")
    assert offset_of(client, video) == 0


def test_a_video_may_have_as_many_bytes_as_the_limit_and_not_one_more(client, settings):
    most = settings.LIMITS["video_bytes"]

    assert announce(client, b"x", size_bytes=most).status_code == 201
    assert_problem(announce(client, b"x", size_bytes=most + 1), 413, "video_too_many_bytes")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_bytes": 0},
        {"size_bytes": "many"},
        {"name": ""},
        {"name": "x" * 256},
        {"name": "\ud800.mp4"},
        {"sha256": "abc"},
        {"sha256": "A" * 64},
        {"model": "nothing"},
    ],
)
def test_a_wrong_announcement_is_refused(client, clip, wrong):
    assert announce(client, clip, **wrong).status_code == 422
    assert not Video.objects.exists()


def test_unprintable_characters_are_removed_from_names(client, clip):
    assert announced(client, clip, name="Ü\r\n\tx.mp4")["name"] == "Üx.mp4"
    assert announced(client, clip, name="\u200b", sha256="0" * 64)["name"] == "video"


@pytest.mark.parametrize("offset", ["", "-1", "many", "²"])
def test_a_chunk_needs_an_offset(client, clip, offset):
    video = announced(client, clip)
    headers = {"Upload-Offset": offset}

    response = client.patch(video["urls"]["upload"], b"x", content_type=CHUNK_TYPE, headers=headers)

    assert_problem(response, 422, "invalid_parameters")


def test_a_chunk_of_another_type_is_refused(client, clip):
    video = announced(client, clip)

    response = client.patch(video["urls"]["upload"], {}, content_type="application/json")

    assert_problem(response, 415, "unsupported_media_type")


def test_a_full_disk_refuses_chunks_and_keeps_what_has_arrived(client, clip, settings, monkeypatch):
    video = announced(client, clip)
    send(client, video, clip[:1000], 0)
    usage = namedtuple("usage", "total used free")
    free_bytes = settings.LIMITS["free_bytes"] + 999
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free_bytes))

    assert_problem(send(client, video, clip[1000:2000], 1000), 507, "storage_full")
    assert_problem(announce(client, clip * 2), 507, "storage_full")
    assert send(client, video, clip[1000:1999], 1000).status_code == 204


def test_a_video_deleted_during_its_upload_is_not_found(client, clip, monkeypatch):
    video = announced(client, clip)
    monkeypatch.setattr(chunked_uploads, "probe", lambda path: Video.objects.all().delete())

    response = send(client, video, clip, 0)

    assert response.status_code == 404
    assert not Video.objects.exists()


def test_a_chunk_for_a_video_that_was_just_deleted_leaves_nothing(client, clip, media, monkeypatch):
    video = announced(client, clip)
    send(client, video, clip[:100], 0)
    check_room = chunked_uploads.check_room

    def deleted_meanwhile(more_bytes: int) -> None:
        check_room(more_bytes)
        Video.objects.all().delete()

    monkeypatch.setattr(chunked_uploads, "check_room", deleted_meanwhile)

    assert send(client, video, clip[100:200], 100).status_code == 404
    assert send(client, video, clip[:100], 0).status_code == 404
    assert [*(media / "detect_video").iterdir()] == []


def test_a_repeated_last_chunk_leaves_a_completed_video_unchanged(client, clip, monkeypatch):
    video = announced(client, clip, sha256="")
    row = Video.objects.get()
    row.folder.mkdir(parents=True)
    row.part_path.write_bytes(clip)
    look_up = upload_api.requested_video

    def complete_after(request, video_id):
        found = look_up(request, video_id)
        chunked_uploads.receive_chunk(look_up(request, video_id), b"", offset=len(clip))
        Video.objects.update(state=State.RUNNING)
        return found

    monkeypatch.setattr(upload_api, "requested_video", complete_after)

    response = send(client, video, b"", len(clip))

    assert response.status_code == 204
    assert Video.objects.get().state == State.RUNNING


def test_one_of_many_concurrent_last_chunks_completes_the_video(client, clip):
    video = announced(client, clip, sha256="")
    row = Video.objects.get()
    row.folder.mkdir(parents=True)
    row.part_path.write_bytes(clip)

    statuses = at_once(8, lambda _: send(client, video, b"", len(clip)).status_code)

    assert 204 in {*statuses} <= {204, 409}
    row.refresh_from_db()
    assert (row.state, row.error, row.received_bytes) == (State.QUEUED, "", len(clip))
    assert {path.name for path in row.folder.iterdir()} == {"source", "source.jpg"}


def test_concurrent_announcements_of_one_file_create_one_video(client, clip):
    client.force_login(User.objects.create_user("anna"))

    statuses = at_once(8, lambda _: announce(client, clip).status_code)

    assert statuses == [200] * 7 + [201]
    assert Video.objects.count() == 1


def test_concurrent_chunks_cannot_exceed_the_quota(client, clip, settings):
    half = len(clip) // 2 + 1
    settings.LIMITS = {**settings.LIMITS, "owner_bytes": len(clip)}
    videos = [announced(client, clip, sha256=f"{number:064}") for number in range(4)]

    statuses = at_once(4, lambda number: send(client, videos[number], clip[:half], 0).status_code)

    assert statuses == [204, 413, 413, 413]
    assert sum(offset_of(client, video) for video in videos) == half


def test_an_owner_may_have_as_many_open_uploads_as_the_limit_and_not_one_more(client, settings):
    at_most = settings.LIMITS["uploads_per_owner"]
    videos = [announced(client, b"%d" % number) for number in range(at_most)]

    refused = announce(client, b"one more")
    known = announce(client, b"0")
    client.delete(videos[0]["urls"]["self"])

    assert_problem(refused, 429, "too_many_uploads")
    assert refused["Retry-After"] == "60"
    assert known.status_code == 200
    assert announce(client, b"one more").status_code == 201


def test_an_address_may_have_as_many_open_uploads_as_the_limit_and_not_one_more(settings):
    settings.LIMITS = {**settings.LIMITS, "uploads_per_address": 2}
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]

    answers = [announce(Client(REMOTE_ADDR=address), b"clip") for address in addresses]

    assert [answer.status_code for answer in answers] == [201, 201, 429, 201]
    assert_problem(answers[2], 429, "too_many_uploads")


def test_the_client_address_of_an_upload_is_deleted_when_it_ends(client, clip):
    upload(client, clip)
    text = announced(client, b"no video")
    send(client, text, b"no video", 0)

    assert {*Video.objects.values_list("address", flat=True)} == {""}


def test_announcements_without_data_expire_before_interrupted_uploads(client, clip, settings):
    settings.LIMITS = {**settings.LIMITS, "uploads_per_owner": 2}
    begun, only_announced = announced(client, clip), announced(client, b"only announced")
    send(client, begun, clip[:1], 0)
    settings.LIMITS = {**settings.LIMITS, "announcement_seconds": 0}

    assert announce(client, b"another").status_code == 201
    chunked_uploads.sweep()
    assert client.get(begun["urls"]["self"]).status_code == 200
    assert client.get(only_announced["urls"]["self"]).status_code == 404
    settings.LIMITS = {**settings.LIMITS, "upload_seconds": 0}
    chunked_uploads.sweep()
    assert client.get(begun["urls"]["self"]).status_code == 404


def test_a_file_that_is_open_is_deleted_later_where_the_system_demands_it(
    client, clip, media, monkeypatch
):
    """As on Windows, where an open file cannot be deleted."""
    video = upload(client, clip)
    unlink = os.unlink

    def refuse_source(path, *arguments, **options) -> None:
        if Path(path).name == "source":
            raise PermissionError(path)
        unlink(path, *arguments, **options)

    monkeypatch.setattr(os, "unlink", refuse_source)
    assert client.delete(video["urls"]["self"]).status_code == 204
    chunked_uploads.sweep()
    assert len([*media.rglob("source")]) == 1
    monkeypatch.undo()

    chunked_uploads.sweep()

    assert [*Video.root().iterdir()] == []


def test_a_repeated_announcement_keeps_an_upload_from_expiring(client, clip, settings):
    video = announced(client, clip)
    old = timezone.now() - timedelta(seconds=settings.LIMITS["announcement_seconds"])
    Video.objects.update(updated_at=old)

    announce(client, clip)
    chunked_uploads.sweep()

    assert send(client, video, clip, 0).status_code == 204


@pytest.fixture
def forced(monkeypatch) -> list[tuple[Path, int]]:
    """Every file and directory that was synced to disk, with its size at that moment."""
    calls: list[tuple[Path, int]] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        calls.append((Path(os.readlink(f"/proc/self/fd/{handle}")), os.fstat(handle).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    return calls


def test_a_chunk_and_its_directory_entries_are_synced_before_the_response(
    client, clip, media, forced
):
    media.mkdir()
    video = announced(client, clip)

    assert send(client, video, clip[:1000], 0).status_code == 204
    part = Video.objects.get().part_path
    assert (part, 1000) in forced
    assert {media, part.parents[1], part.parent} <= {path for path, _ in forced}
    assert send(client, video, clip[1000:2000], 1000).status_code == 204
    assert (part, 2000) in forced


def test_a_completed_file_is_renamed_and_synced_before_the_response(
    client, clip, forced, monkeypatch
):
    video = announced(client, clip)
    renamed = []
    replace = os.replace

    def rename(part: Path, target: Path) -> None:
        assert (part, len(clip)) in forced
        forced.clear()
        replace(part, target)
        renamed.append(target.name)

    monkeypatch.setattr(os, "replace", rename)

    assert send(client, video, clip, 0).status_code == 204
    assert renamed == ["source"]
    assert Video.objects.get().folder in {path for path, _ in forced}


def test_an_incomplete_upload_is_not_claimable(client, clip):
    announced(client, clip)

    assert not Video.claimable().exists()
    assert Video.objects.get().state == State.UPLOADING


@pytest.mark.parametrize("size", [2**50, 2**63 - 1])
def test_a_file_with_impossible_box_sizes_fails_its_upload(client, size):
    data = (1).to_bytes(4) + b"ftyp" + size.to_bytes(8) + bytes(100)
    video = announced(client, data)

    assert_problem(send(client, video, data, 0), 422, "video_unreadable")
    video = client.get(video["urls"]["self"]).json()
    assert (video["state"], video["error_code"]) == ("failed", "video_unreadable")


@pytest.mark.parametrize("name", ["notes.txt", "photo.JPG"])
def test_a_file_whose_name_is_not_that_of_a_video_is_refused_before_it_is_sent(
    client, clip, media, name
):
    response = announce(client, clip, name=name)

    assert_problem(response, 415, "unsupported_media_type")
    assert f"received '{name}'" in response.json()["detail"]
    assert client.get(URL).json() == []


@pytest.mark.parametrize("name", ["video", "clip.mp4", "clip.3gp", "clip.bin"])
def test_names_that_may_be_those_of_videos_are_accepted(client, clip, media, name):
    assert announce(client, clip, name=name).status_code == 201


def test_a_file_that_starts_as_no_video_does_fails_with_its_first_chunk(client, media):
    video = announced(client, b"text" * 1000)

    response = send(client, video, b"text" * 100, 0)
    again = send(client, video, b"text" * 100, 400)

    assert_problem(response, 415, "unsupported_media_type")
    assert_problem(again, 409, "upload_finished")
    failed = client.get(video["urls"]["self"]).json()
    assert (failed["state"], failed["received_bytes"]) == ("failed", 0)
    assert failed["error"] == "Expected a video file: mp4, mov, mkv, webm or avi."
    assert not list(media.rglob("source*"))


def test_the_reason_of_a_failed_video_has_its_figures_in_both_languages(
    client, clip, media, settings
):
    settings.LIMITS = {**settings.LIMITS, "video_seconds": 1}
    video = announced(client, clip)
    assert_problem(send(client, video, clip, 0), 422, "video_too_long")

    english = client.get(video["urls"]["self"]).json()["error"]
    chinese = client.get(video["urls"]["self"], headers={"accept-language": "zh-CN"}).json()

    assert english == "The video is 2.0 seconds long; at most 1 seconds are accepted."
    assert chinese["error"] == "视频长 2.0 秒，最长接受 1 秒。"
