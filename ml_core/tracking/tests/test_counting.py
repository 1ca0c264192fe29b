"""Crossings of lines and visits of zones."""

import numpy as np
import pytest

from ml_core.tracking.counting import LineCounter, ZoneCounter
from ml_core.tracking.regions import InvalidRegion, parse_line, parse_zone
from ml_core.tracking.summary import Summary
from ml_core.tracking.tests import drawn_street
from ml_core.tracking.tests.test_byte_track import street_detections
from ml_core.tracking.tracks import FrameDetections, Path, VideoTracks

DOWN = (100, 0, 100, 200)
SQUARE = (50, 50, 150, 50, 150, 150, 50, 150)


def path(
    *points: tuple[float, float], track_id: int = 1, first: int = 0, margin: float = 2
) -> Path:
    frames = first + np.arange(len(points))
    return Path(track_id, 0, frames, np.array(points, float), np.full(len(points), margin))


def crossed(line: tuple[float, ...], *paths: Path) -> list[tuple[int, str]]:
    counter = LineCounter(line)
    return [(one.frame, one.direction) for part in paths for one in counter.extend(part)]


def visited(zone: tuple[float, ...], *paths: Path) -> list[tuple[int, int | None]]:
    counter = ZoneCounter(zone)
    visits = [visit for part in paths for visit in counter.extend(part)]
    return [(visit.entered, visit.left) for visit in visits]


def test_lists_in_lists_are_refused_however_deep_they_are():
    value = []
    for _ in range(5000):
        value = [value]

    for parse in (parse_line, parse_zone):
        with pytest.raises(InvalidRegion, match="received"):
            parse(value)


def test_in_is_from_the_left_of_a_line_to_its_right():
    """Who looks down the picture has its right side on the left."""
    rightwards = path((80, 50), (120, 50))

    assert crossed((100, 0, 100, 200), rightwards) == [(1, "out")]
    assert crossed((100, 200, 100, 0), rightwards) == [(1, "in")]
    assert crossed((0, 50, 200, 50), path((80, 40), (80, 60))) == [(1, "in")]
    assert crossed((200, 50, 0, 50), path((80, 40), (80, 60))) == [(1, "out")]


def test_a_path_beyond_the_ends_of_a_line_does_not_cross_it():
    assert crossed(DOWN, path((80, 201), (120, 201))) == []
    assert crossed(DOWN, path((80, 150), (120, 240))) == [(1, "out")]


def test_jitter_on_a_line_is_no_crossing():
    standing = [(100 + (-1) ** i * 1.5, 50) for i in range(20)]

    assert crossed(DOWN, path((90, 50), *standing, (90, 50))) == []
    assert crossed(DOWN, path((90, 50), *standing, (110, 50))) == [(21, "out")]


def test_an_object_may_cross_a_line_more_than_once():
    there_and_back = path((90, 50), (110, 50), (112, 50), (90, 50))

    assert crossed(DOWN, there_and_back) == [(1, "out"), (3, "in")]


def test_an_object_that_appears_on_a_line_has_not_crossed_it():
    assert crossed(DOWN, path((101, 50), (110, 50))) == []


def test_counters_take_a_path_in_pieces():
    points = [(90, 90), (110, 110), (160, 110), (110, 110), (90, 90)]
    pieces = [path(point, first=i) for i, point in enumerate(points)]

    assert crossed(DOWN, *pieces) == crossed(DOWN, path(*points)) == [(1, "out"), (4, "in")]
    assert visited(SQUARE, *pieces) == visited(SQUARE, path(*points)) == [(0, 2), (3, None)]


def test_visits_begin_and_end_beyond_the_margin_of_a_zone():
    jitter = [(50 + (-1) ** i * 1.5, 100) for i in range(9)]

    assert visited(SQUARE, path((30, 100), *jitter, (60, 100), *jitter, (40, 100))) == [(10, 20)]


def test_an_object_that_appears_in_a_zone_enters_it():
    assert visited(SQUARE, path((51, 100), (100, 100))) == [(0, None)]
    assert visited(SQUARE, path((49, 100), (30, 100))) == []


def test_a_zone_may_be_concave():
    u_shape = (0, 0, 30, 0, 30, 70, 70, 70, 70, 0, 100, 0, 100, 100, 0, 100)

    assert visited(u_shape, path((50, 30), (50, 85), (15, 30), (50, 30))) == [(1, 3)]


def test_counters_forget_tracks_that_have_ended():
    line, zone = LineCounter(DOWN), ZoneCounter(SQUARE)
    for track_id in range(1, 1000):
        for counter in (line, zone):
            counter.extend(path((90, 90), track_id=track_id))
            counter.forget_except({track_id})

    assert len(line._last) == len(zone._visits) == 1


@pytest.fixture(scope="module")
def street() -> Summary:
    found = street_detections(list(drawn_street.frames()))
    return Summary(found, VideoTracks(0.5).extend(found))


def test_the_objects_of_the_street_are_counted_exactly(street):
    classes = {one["class_name"]: one for one in street.classes()}

    assert {name: one["objects"] for name, one in classes.items()} == {
        "person": 3,
        "bicycle": 2,
        "car": 2,
    }
    assert [classes[name]["most_at_once"] for name in ("person", "bicycle", "car")] == [3, 1, 2]
    # The parked car.
    assert classes["car"]["longest_stay_s"] == pytest.approx(10, abs=0.1)


def test_the_crossings_of_the_street_are_counted_exactly(street):
    """The expected frames are those in which the drawn figures cross the line."""
    expected = [(74, "car", "in"), (130, "person", "in"), (140, "person", "out")]
    expected += [(170, "person", "in"), (257, "bicycle", "out")]

    line = street.line([320, drawn_street.HEIGHT, 320, 0])

    def order(one: tuple) -> tuple:
        return one[1:] + one[:1]

    crossings = [
        (one["frame_index"], one["class_name"], one["direction"]) for one in line["crossings"]
    ]
    pairs = list(zip(sorted(crossings, key=order), sorted(expected, key=order), strict=True))
    assert [found[1:] for found, _ in pairs] == [wanted[1:] for _, wanted in pairs]
    late = {wanted[0]: found[0] - wanted[0] for found, wanted in pairs}
    # The person at frame 130 is behind another one.
    assert 0 <= late.pop(130) <= 12
    assert set(late.values()) <= {0, 1, 2}
    numbers = {one["class_name"]: (one["in"], one["out"]) for one in line["counts"]}
    assert numbers == {"person": (2, 1), "bicycle": (0, 1), "car": (1, 0)}


def test_the_visits_of_the_street_are_counted_exactly(street):
    zone = street.zone([250, 220, 450, 220, 450, 359, 250, 359])

    visits = [
        (one["class_name"], one["frame_index"], one["left_frame_index"]) for one in zone["entries"]
    ]
    expected = [
        ("person", 75, 175),
        ("person", 95, 195),
        ("person", 135, 235),
        ("bicycle", 213, 280),
    ]
    assert [one[0] for one in visits] == [one[0] for one in expected]
    for found, wanted in zip(visits, expected, strict=True):
        assert found[1:] == pytest.approx(wanted[1:], abs=2)
    assert [one["entries"] for one in zone["counts"]] == [3, 1]


def test_a_summary_of_no_frames_is_empty():
    summary = Summary(FrameDetections.none(), np.empty(0, int))

    assert (summary.tracks(), summary.classes(), summary.duration_s) == ([], [], 0)


def test_a_timeline_has_at_most_a_thousand_entries():
    box = {"box": [0, 0, 10, 10], "score": 0.9, "class_id": 0, "class_name": "person"}
    frames = [(i / 30, [box] if i < 1500 else []) for i in range(2500)]
    found = FrameDetections.none().extended(frames)

    summary = Summary(found, VideoTracks(0.5).extend(found))

    assert summary.step_frames == 3
    assert summary.classes()[0]["timeline"] == [1] * 500 + [0] * 334


@pytest.mark.parametrize(
    "value", ["1,2,3", "1,2,1,2", "1,2,3,x", "", [1, 2, 3, True], 5, None, "1," * 99]
)
def test_lines_that_cannot_be_used_are_refused(value):
    with pytest.raises(InvalidRegion, match="Expected a line"):
        parse_line(value)


def test_zones_are_within_the_picture():
    assert parse_zone("0,0,96,0,96,54.26", (96, 55)) == [0, 0, 96, 0, 96, 54.26]
    with pytest.raises(InvalidRegion, match="96 x 54 pixels"):
        parse_zone([0, 0, 96, 0, 96, 55], (96, 54))
