"""Conversion of browser recordings to AVI."""

import io
import os
import shutil
import tracemalloc
from collections import namedtuple
from pathlib import Path

import av
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from detect_video.api import conversion
from detect_video.tests.clips import frame_number, write_clip
from detect_video.video import rendering

URL = "/api/videos/avi/"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path, monkeypatch) -> Path:
    """The directory of conversions, whose size is checked after each frame."""
    monkeypatch.setattr(rendering, "REPORT_SIZE_EVERY_S", 0)
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "tmp"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    return settings.FILE_UPLOAD_TEMP_DIR


def recording(tmp_path: Path) -> SimpleUploadedFile:
    """One second of 30 frames."""
    clip = write_clip(tmp_path / "clip.webm", codec="libvpx-vp9")
    return SimpleUploadedFile("recording", clip.read_bytes())


async def test_a_recording_comes_back_frame_by_frame_as_an_avi(async_client, tmp_path):
    response = await async_client.post(URL, {"video": recording(tmp_path)})
    content = b"".join([block async for block in response])

    assert response["Content-Disposition"] == 'attachment; filename="camera.avi"'
    with av.open(io.BytesIO(content)) as container:
        numbers = [frame_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
        assert container.format.name == "avi"
    assert numbers == list(range(30))


async def test_a_converted_recording_is_streamed(async_client, monkeypatch):
    def write_much(source: Path, target: Path, *arguments: object, **options: object) -> None:
        target.touch()
        os.truncate(target, 64 * 2**20)

    monkeypatch.setattr(conversion, "render_video", write_much)
    response = await async_client.post(URL, {"video": SimpleUploadedFile("a", b"any")})

    tracemalloc.start()
    sent = [len(block) async for block in response]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(sent) == 64 * 2**20
    assert peak < 4 * 2**20


def test_the_files_of_a_conversion_are_deleted_once_the_answer_is_sent(client, tmp_path, folder):
    response = client.post(URL, {"video": recording(tmp_path)})
    assert [path.name for path in folder.rglob("*.avi")] == ["recording.avi"]

    response.close()

    assert [*folder.iterdir()] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_parameters"),
        ({"video": "text"}, 422, "invalid_parameters"),
        ({"video": SimpleUploadedFile("a", b"no video")}, 415, "unsupported_media_type"),
    ],
)
def test_an_invalid_recording_is_refused(client, body, status, code):
    response = client.post(URL, body)

    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [
        ({"recording_bytes": 20_000}, 413, "video_too_many_bytes"),
        ({"recording_seconds": 0}, 422, "video_too_long"),
        ({"recording_work_seconds": 0}, 422, "decode_timeout"),
    ],
)
def test_a_recording_beyond_a_limit_is_refused_and_leaves_no_files(
    client, settings, tmp_path, folder, limit, status, code
):
    settings.LIMITS = {**settings.LIMITS, **limit}

    response = client.post(URL, {"video": recording(tmp_path)})

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert [*folder.iterdir()] == []


def test_a_disk_that_fills_up_stops_the_conversion(client, settings, tmp_path, folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    written = []

    def disk_usage(path: Path) -> usage:
        written.append([each.name for each in folder.rglob("*.part")])
        return usage(0, 0, settings.LIMITS["free_bytes"] - len(written) + 3)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)

    response = client.post(URL, {"video": recording(tmp_path)})

    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert written[-1] == ["recording.avi.part"]
    assert [*folder.iterdir()] == []
