"""Tracks and counts before a camera, over its WebSocket and in long sessions."""

import json
import tracemalloc

import pytest
from channels.testing import WebsocketCommunicator

from detect_camera.frames import frame_message
from detect_camera.tests.test_socket import error_and_close_code, jpeg, live  # noqa: F401
from ml_core.results import Detection, Detections
from ml_core.tracking.live import LiveTracks
from ml_core.tracking.tracks import MAX_OBJECTS

socket_test = pytest.mark.usefixtures("toy_detector")
TRACKING = "*/ml_core/tracking/*"
# In a frame there is a tomato at the top, and a plum at the lower right.
TOP = [0, 0, 1, 0, 1, 0.4, 0, 0.4]


async def result_of(camera: WebsocketCommunicator, number: int) -> dict:
    await camera.send_to(bytes_data=frame_message(number, jpeg(), 0))
    answer = await camera.receive_json_from(30)
    assert answer["type"] == "result"
    return answer


async def configure(camera: WebsocketCommunicator, **settings: object) -> None:
    await camera.send_to(text_data=json.dumps({"type": "settings", **settings}))


def ids_of(answer: dict) -> list[int | None]:
    return [found["track_id"] for found in answer["detections"]]


@socket_test
@pytest.mark.django_db(transaction=True)
async def test_objects_before_a_camera_are_tracked_and_counted_on_request(live):  # noqa: F811
    plain = await result_of(live, 1)
    await configure(live, tracks=True, zones=[TOP], lines=[[0, 0.5, 1, 0.5]])
    answers = [await result_of(live, number) for number in range(2, 6)]
    await configure(live, tracks=False)
    after = await result_of(live, 6)

    assert "track_id" not in plain["detections"][0]
    assert [ids_of(answer) for answer in answers] == [[None] * 2, [None] * 2, [1, 2], [1, 2]]
    zone = answers[-1]["counts"]["zones"][0]
    assert (zone["now"], zone["entries"]) == ({"0": 1}, {"0": 1})
    assert zone["inside"][0]["class_name"] == "tomato"
    assert 0 < zone["inside"][0]["dwell_s"] < 30
    assert answers[-1]["counts"]["lines"] == [{"in": {}, "out": {}}]
    assert "counts" not in after and "track_id" not in after["detections"][0]


@socket_test
@pytest.mark.django_db(transaction=True)
async def test_another_threshold_begins_new_tracks(live):  # noqa: F811
    for threshold in (0.2, 0.3):
        await configure(live, tracks=True, score_threshold=threshold)
        number = round(threshold * 100)
        answers = [await result_of(live, number + i) for i in range(3)]

        assert [ids_of(answer)[0] for answer in answers] == [None, None, 1]
        assert "counts" not in answers[-1]


@socket_test
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"type": "start"}, 4400),
        ({"type": "settings", "tracks": "yes"}, 4400),
        ({"type": "settings", "colour": "red"}, 4400),
        ({"type": "settings", "score_threshold": 2}, 4400),
        ({"type": "settings", "score_threshold": float("nan")}, 4400),
        ({"type": "settings", "score_threshold": True}, 4400),
        ({"type": "settings", "lines": {}}, 4400),
        ({"type": "settings", "lines": [[0, 0, 1, 1]] * 11}, 4400),
        ({"type": "settings", "zones": ["9" * 20_000]}, 4400),
    ],
)
async def test_wrong_settings_close_the_connection(live, wrong, code):  # noqa: F811
    await live.send_to(text_data=json.dumps(wrong))

    message, close_code = await error_and_close_code(live)

    assert (message["type"], close_code) == ("error", code)


@socket_test
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": [[0, 0, 1]]},
        {"lines": [[0.5, 0.5, 0.5, 0.5]]},
        {"zones": [[0, 0, 1, 1]]},
        {"zones": [[-0.1, 0, 1, 1, 1, 0]]},
        {"zones": [[0, 0, 96, 0, 96, 96]]},
    ],
)
async def test_a_wrong_line_or_zone_is_answered_and_the_camera_goes_on(live, wrong):  # noqa: F811
    await configure(live, tracks=True, **wrong)

    answer = await live.receive_json_from(30)

    assert (answer["type"], answer["code"]) == ("error", "invalid_region")
    assert "track_id" not in (await result_of(live, 1))["detections"][0]


def frame(*detections: Detection, scale: int = 1) -> Detections:
    return Detections("toy", (200 * scale, 200 * scale), detections, {})


def at(x: float, y: float = 50, scale: int = 1) -> Detections:
    """A person with the middle of the feet at (x, y) in a frame of 200 pixels times ``scale``."""
    box = (scale * (x - 10), scale * (y - 40), scale * (x + 10), scale * y)
    return frame(Detection(box, 0, "person", 0.9), scale=scale)


def test_crossings_are_reported_once_and_add_up():
    tracks = LiveTracks(0.5)
    tracks.set_regions([[0.5, 0, 0.5, 1]], [])
    crossings, counts = [], None

    for i in range(60):
        # To the right and back.
        _, counts = tracks.update(at(80 + 2 * (i if i < 30 else 60 - i)), i / 10)
        crossings += counts["crossings"]

    person = {"line": 0, "track_id": 1, "class_id": 0, "class_name": "person"}
    assert crossings == [{**person, "direction": "out"}, {**person, "direction": "in"}]
    assert counts["lines"] == [{"in": {"0": 1}, "out": {"0": 1}}]


def test_tracks_go_on_when_the_size_of_the_frames_changes():
    tracks = LiveTracks(0.5)
    tracks.set_regions([[0.5, 0, 0.5, 1]], [])

    ids, crossings = [], []
    for i in range(20):
        found, counts = tracks.update(at(80 + 2 * i, scale=1 if i % 2 else 3), i / 10)
        ids += found
        crossings += counts["crossings"]

    assert ids == [None, None] + [1] * 18
    assert [one["direction"] for one in crossings] == ["out"]


def test_a_line_that_stays_goes_on_counting_when_another_one_moves():
    tracks = LiveTracks(0.5)
    tracks.set_regions([[0.5, 0, 0.5, 1], [0.45, 0, 0.45, 1]], [])
    for i in range(20):
        tracks.update(at(80 + 2 * i), i / 10)

    tracks.set_regions([[0.5, 0, 0.5, 1], [0.48, 0, 0.48, 1]], [])
    _, counts = tracks.update(at(120), 2)

    assert [line["out"] for line in counts["lines"]] == [{"0": 1}, {}]


def test_an_object_that_is_gone_is_no_longer_in_its_zone():
    tracks = LiveTracks(0.5)
    tracks.set_regions([], [[0, 0, 1, 0, 1, 1, 0, 1]])
    for i in range(5):
        _, there = tracks.update(at(80), i / 10)
    for i in range(5, 20):
        _, gone = tracks.update(frame(), i / 10)

    assert there["zones"][0]["now"] == {"0": 1}
    assert there["zones"][0]["inside"][0]["dwell_s"] == 0.2
    assert (gone["zones"][0]["now"], gone["zones"][0]["entries"]) == ({}, {"0": 1})


def test_only_so_many_objects_are_tracked_at_once():
    people = [at(20 * i).detections[0] for i in range(MAX_OBJECTS + 50)]
    crowd = frame(*people)
    tracks = LiveTracks(0.5)

    for i in range(3):
        ids, _ = tracks.update(crowd, i / 10)

    assert [track_id is None for track_id in ids] == [False] * MAX_OBJECTS + [True] * 50


def test_memory_does_not_grow_in_a_long_session():
    tracks = LiveTracks(0.5)
    tracks.set_regions([[0.25, 0, 0.25, 0.5]], [[0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5]])

    def pass_by(first: int, people: int) -> int:
        """People cross the picture, one after the other, and the memory in use is measured."""
        for i in range(first * 12, (first + people) * 12):
            tracks.update(at(10 + 8 * (i % 12) if i % 12 < 10 else -999), i)
        # Threads of other tests may be at work.
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, TRACKING)])
        return sum(trace.size for trace in own.traces)

    tracemalloc.start()
    try:
        _, before, after = (pass_by(first, 40) for first in (0, 40, 80))
    finally:
        tracemalloc.stop()

    # What is kept of 40 people without forgetting them takes about 30,000 bytes.
    assert after - before < 10_000
