"""``manage.py detect_video`` with the toy network."""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from django.core.management import CommandError, call_command

from detect_video.conftest import write_tomatoes
from detect_video.tests.clips import frame_number, write_clip
from ml_core.tests.toy_network import RED

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


@pytest.mark.parametrize("option", ["--output", "--jsonl", "--csv"])
def test_the_video_itself_is_not_overwritten(clip_path, option):
    before = clip_path.read_bytes()

    with pytest.raises(CommandError, match="overwritten"):
        call_command("detect_video", str(clip_path), option, str(clip_path))

    assert clip_path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"no video"])
def test_a_file_that_is_missing_or_no_video_is_named(tmp_path, content):
    path = tmp_path / "wrong.mp4"
    if content:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=r"wrong\.mp4"):
        detect(path, tmp_path / "out.avi")


def write_still(path: Path) -> Path:
    """A clip of 20 frames, 2 s long, with a "tomato" that stays where it is."""
    return write_clip(
        path,
        frames=20,
        size_wh=(96, 96),
        rate=Fraction(10),
        pixel_format="yuv444p",
        cells=lambda frame_index: {(0, 0): RED},
    )


def test_tracked_objects_are_reported_and_saved_as_a_table(tmp_path):
    path = write_still(tmp_path / "clip.mp4")
    table, jsonl = tmp_path / "new" / "counts.csv", tmp_path / "out.jsonl"
    stdout = io.StringIO()

    regions = ["--line", "0,0,96,0", "--zone", "0,0,96,0,96,96,0,96"]
    files = ["--csv", str(table), "--jsonl", str(jsonl)]
    call_command("detect_video", str(path), *regions, *files, stdout=stdout)

    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(row["event"], row["class_name"], row["track_id"]) for row in rows] == [
        ("track", "tomato", "1"),
        ("visit", "tomato", "1"),
    ]
    assert "tomato: 1 objects, 1 at once, longest stay 2.0 s" in stdout.getvalue()
    assert "zone 1, tomato: 1 entries, longest 2.0 s" in stdout.getvalue()
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["detections"][0]["track_id"] for line in lines] == [1] * 20


def test_counts_are_reported_without_files(tmp_path):
    path = write_still(tmp_path / "clip.mp4")
    stdout = io.StringIO()

    call_command("detect_video", str(path), "--line", "0,0,96,0", stdout=stdout)

    assert "tomato: 1 objects" in stdout.getvalue()
    with pytest.raises(CommandError, match="Nothing would be saved"):
        call_command("detect_video", str(path))


def test_tracks_are_drawn_in_their_own_colour(tmp_path):
    path, output = write_still(tmp_path / "clip.mp4"), tmp_path / "out.mp4"

    detect(path, output, "--tracks", "--line", "0,50,96,50")

    with av.open(str(output)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 20
    # White, with black edges.
    assert pictures[5][50, 4].min() > 180
    assert pictures[5][47:49, 4].min() < 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--output, --jsonl or --csv"),
        (["--csv", "t.csv", "--line", "1,2"], "Expected a line"),
        (["--csv", "t.csv", "--line", "0,0,500,500"], "96 x 96"),
        (["--csv", "t.csv", "--zone", "0,0,5,5"], "Expected a zone"),
    ],
)
def test_wrong_lines_and_zones_are_explained(clip_path, arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("detect_video", str(clip_path), *arguments)
