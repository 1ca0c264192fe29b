"""``manage.py detect_video`` with the toy network."""

import io
import json
from pathlib import Path

import av
import pytest
from django.core.management import CommandError, call_command

from detect_video.conftest import write_tomatoes
from detect_video.tests.clips import frame_number

pytestmark = pytest.mark.usefixtures("toy_detector")


@pytest.fixture
def clip_path(tmp_path: Path) -> Path:
    return write_tomatoes(tmp_path / "clip.mp4", 20)


def detect(path: Path, output: Path, *arguments: str) -> str:
    stdout = io.StringIO()
    call_command("detect_video", str(path), "--output", str(output), *arguments, stdout=stdout)
    return stdout.getvalue()


def test_a_copy_with_boxes_and_the_results_are_saved(clip_path, tmp_path):
    output, jsonl = tmp_path / "new" / "out.avi", tmp_path / "out.jsonl"

    text = detect(clip_path, output, "--jsonl", str(jsonl))

    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert "20 frames" in text
    with av.open(str(output)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame_number(picture) for picture in pictures] == list(range(20))
    assert [line["frame_index"] for line in lines] == list(range(20))
    assert [line["pts_s"] for line in lines][:3] == [0, 0.1, 0.2]
    assert {line["detections"][0]["class_name"] for line in lines} == {"tomato"}
    assert {line["file"] for line in lines} == {"clip.mp4"}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("out.gif", [], ".avi or .mp4"),
        ("out.avi", ["--model", "nothing"], "nothing"),
        ("out.avi", ["--score-threshold", "2"], "0 to 1"),
    ],
)
def test_wrong_arguments_are_explained(clip_path, tmp_path, name, arguments, words):
    with pytest.raises(CommandError, match=words):
        detect(clip_path, tmp_path / name, *arguments)

    assert not (tmp_path / name).exists()


def test_the_video_itself_is_not_overwritten(clip_path):
    before = clip_path.read_bytes()

    with pytest.raises(CommandError, match="overwritten"):
        detect(clip_path, clip_path)

    assert clip_path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"no video"])
def test_a_file_that_is_missing_or_no_video_is_named(tmp_path, content):
    path = tmp_path / "wrong.mp4"
    if content:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=r"wrong\.mp4"):
        detect(path, tmp_path / "out.avi")
