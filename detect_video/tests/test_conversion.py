"""Browsers' recordings as AVI files."""

import io

import av
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from detect_video.tests.clips import frame_number, write_clip

URL = "/api/videos/avi/"

pytestmark = pytest.mark.django_db


def test_a_recording_comes_back_frame_by_frame_as_an_avi(client, tmp_path):
    clip = write_clip(tmp_path / "clip.webm", codec="libvpx-vp9")

    response = client.post(URL, {"video": SimpleUploadedFile("recording", clip.read_bytes())})

    assert response["Content-Disposition"] == 'attachment; filename="camera.avi"'
    with av.open(io.BytesIO(b"".join(response.streaming_content))) as container:
        numbers = [frame_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
        assert container.format.name == "avi"
    assert numbers == list(range(30))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_parameters"),
        ({"video": "text"}, 422, "invalid_parameters"),
        ({"video": SimpleUploadedFile("a", b"no video")}, 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_recording_gets_a_problem(client, body, status, code):
    response = client.post(URL, body)

    assert (response.status_code, response.json()["code"]) == (status, code)
