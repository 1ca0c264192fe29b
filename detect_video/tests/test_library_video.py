"""Tracks in a real video that was counted by hand: somebody rides a bicycle past a library.

The camera follows the rider and turns ahead of them, so that they move to the left: the middle of
the bicycle is on that of the picture in frame 26 and left of it in frame 27, the middle of the
rider left of it in frame 28. In frame 53 only a part of a wheel is left at the border. In the
second half there is one person in the foreground, the rider; those in the background are less than
80 pixels high. There are two bicycles: that of the rider, and a parked one from frame 53 on.
"""

import csv

import pytest
from django.core.management import call_command

MIDDLE = "360,0,360,1280"
ACROSS = "0,640,720,640"


@pytest.fixture(scope="module")
def rows(shared_dir, yolov3_tiny, tmp_path_factory) -> list[dict[str, str]]:
    """Tracks and crossings of the two lines through the middle, by the real yolov3-tiny."""
    video = shared_dir / "samples" / "library.mp4"
    if not video.is_file():
        pytest.skip(f"there is no {video}")
    table = tmp_path_factory.mktemp("library") / "counts.csv"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.conf.settings.MODEL_DIR", yolov3_tiny.directory)
        arguments = ["--model", "yolov3-tiny", "--score-threshold", "0.5", "--csv", str(table)]
        call_command("detect_video", str(video), *arguments, "--line", MIDDLE, "--line", ACROSS)
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_persons_and_bicycles_of_the_second_half_are_counted_as_by_hand(rows):
    later = [
        row["class_name"]
        for row in rows
        if row["event"] == "track" and int(row["until_frame_index"]) >= 35
    ]

    assert later.count("person") == 1
    assert later.count("bicycle") == 2


def test_rider_and_bicycle_cross_the_middle_once_in_their_direction(rows):
    """Who looks down the picture, from the line's first point, has its left on the right."""
    crossings = {row["class_name"]: row for row in rows if row["event"] == "crossing"}

    crossed = [(row["region"], row["direction"]) for row in rows if row["event"] == "crossing"]
    assert crossed == [("1", "in")] * 2
    assert int(crossings["bicycle"]["frame_index"]) in (26, 27, 28)
    assert int(crossings["person"]["frame_index"]) in (27, 28, 29)


def test_rider_and_bicycle_keep_their_ids_until_they_leave(rows):
    longest = {
        row["class_name"]: (int(row["frame_index"]), int(row["until_frame_index"]))
        for row in rows
        if row["event"] == "track" and row["track_id"] in ("1", "2")
    }

    assert set(longest) == {"person", "bicycle"}
    assert all(first == 0 and 48 <= last <= 53 for first, last in longest.values())
