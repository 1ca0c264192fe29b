"""The tracker on a drawn street, beside the package "trackers" as an independent one."""

from pathlib import Path

import numpy as np
import pytest
import supervision
import trackers
from trackers.eval import evaluate_mot_sequence
from trackers.eval.results import SequenceResult

from ml_core.tracking.byte_track import CONFIRMATION_FRAMES, ByteTracker
from ml_core.tracking.tests import drawn_street
from ml_core.tracking.tests.drawn_street import BICYCLE, CAR, FPS, NAMES, PERSON, Frame
from ml_core.tracking.tracks import FrameDetections, VideoTracks

# Of each frame, the ids and the (4,) xyxy boxes of its objects.
Tracked = list[list[tuple[int, np.ndarray]]]

EMPTY = np.empty((0, 4)), np.empty(0), np.empty(0, int)


@pytest.fixture(scope="module")
def street() -> list[Frame]:
    return list(drawn_street.frames())


@pytest.fixture(scope="module")
def found(street) -> FrameDetections:
    return street_detections(street)


def street_detections(street: list[Frame]) -> FrameDetections:
    """The detections in the frames of the street, read as stored ones are."""
    return FrameDetections.none().extended(
        (
            i / FPS,
            [
                {"box": box, "score": score, "class_id": class_id, "class_name": NAMES[class_id]}
                for box, score, class_id in zip(
                    frame.boxes_xyxy.tolist(),
                    frame.scores.tolist(),
                    frame.class_ids.tolist(),
                    strict=True,
                )
            ],
        )
        for i, frame in enumerate(street)
    )


def own_tracks(found: FrameDetections, score_threshold: float) -> Tracked:
    ids = VideoTracks(score_threshold).extend(found)
    rows = zip(found.offsets[:-1], found.offsets[1:], strict=True)
    return [
        [(int(ids[row]), found.boxes_xyxy[row]) for row in range(a, b) if ids[row]] for a, b in rows
    ]


def tracks_of_the_package(street: list[Frame], score_threshold: float) -> Tracked:
    """The tracks of the package's ByteTrack with the same thresholds."""
    tracker = trackers.ByteTrackTracker(
        frame_rate=FPS,
        track_activation_threshold=score_threshold,
        high_conf_det_threshold=score_threshold,
        minimum_consecutive_frames=CONFIRMATION_FRAMES,
    )
    tracked = []
    for frame in street:
        detections = supervision.Detections(
            xyxy=frame.boxes_xyxy, confidence=frame.scores, class_id=frame.class_ids
        )
        answer = tracker.update(detections)
        pairs = zip(answer.tracker_id.tolist(), answer.xyxy, strict=True)
        tracked.append([(track_id + 1, box) for track_id, box in pairs if track_id >= 0])
    return tracked


def evaluated(folder: Path, street: list[Frame], tracked: Tracked) -> SequenceResult:
    """HOTA, IDF1 and ID switches by the package's own evaluation of files."""

    def save(name: str, frames: Tracked) -> Path:
        lines = [
            f"{i},{key},{x_min:.2f},{y_min:.2f},{x_max - x_min:.2f},{y_max - y_min:.2f},1,1,1\n"
            for i, objects in enumerate(frames, 1)
            for key, (x_min, y_min, x_max, y_max) in objects
        ]
        path = folder / name
        path.write_text("".join(lines))
        return path

    truth = [[(key + 1, box) for key, box in frame.truth.items()] for frame in street]
    return evaluate_mot_sequence(
        save("truth.txt", truth),
        save("tracked.txt", tracked),
        metrics=["CLEAR", "HOTA", "Identity"],
    )


@pytest.mark.parametrize("score_threshold", [0.3, 0.5, 0.6])
def test_tracks_are_at_least_as_good_as_those_of_the_package(
    tmp_path, street, found, score_threshold
):
    own = evaluated(tmp_path, street, own_tracks(found, score_threshold))
    other = evaluated(tmp_path, street, tracks_of_the_package(street, score_threshold))

    assert own.HOTA.HOTA >= other.HOTA.HOTA > 0.7
    assert own.Identity.IDF1 >= other.Identity.IDF1
    assert own.CLEAR.IDSW == 0 <= other.CLEAR.IDSW
    assert own.Identity.IDF1 > 0.95


def test_a_video_has_a_track_for_every_object(found):
    ids = VideoTracks(0.5).extend(found)

    class_ids = {track_id: found.class_ids[ids == track_id] for track_id in set(ids) - {0}}
    assert all(len(set(of_track)) == 1 for of_track in class_ids.values())
    assert sorted(of_track[0] for of_track in class_ids.values()) == sorted(
        [PERSON, PERSON, PERSON, CAR, CAR, BICYCLE, BICYCLE]
    )


def test_tracks_do_not_depend_on_the_pieces_in_which_frames_arrive(street, found):
    tracks = VideoTracks(0.5)
    whole = VideoTracks(0.5).extend(found)
    before = np.empty(0, int)
    for end in range(7, len(street), 60):
        ids = tracks.extend(street_detections(street[:end]))
        # A track may be confirmed later; an id never changes.
        assert set(ids[: len(before)][before > 0] - before[before > 0]) <= {0}
        before = ids

    np.testing.assert_array_equal(tracks.extend(found), whole)


def test_frames_without_detections_have_no_tracks():
    tracker = ByteTracker(0.5)

    serials, ids = tracker.update(*EMPTY, time_s=0)

    assert (serials.tolist(), ids.tolist(), tracker.live_ids) == ([], [], set())


def box_at(x: float, *, score: float = 0.9, class_id: int = 0) -> tuple[np.ndarray, ...]:
    return np.array([[x, 0, x + 50, 100]], float), np.array([score]), np.array([class_id])


def test_an_object_is_confirmed_after_three_frames_in_a_row():
    tracker = ByteTracker(0.5)

    ids = [tracker.update(*box_at(10), time_s=i)[1].tolist() for i in range(4)]
    seen_twice = ByteTracker(0.5)
    flicker = [
        seen_twice.update(*(EMPTY if i % 3 == 2 else box_at(10)), time_s=i)[1].tolist()
        for i in range(9)
    ]

    assert ids == [[0], [0], [1], [1]]
    assert sum(flicker, []) == [0] * 6


def test_an_object_keeps_its_id_for_a_second_without_detections():
    after = []
    for hidden_s in (0.9, 1.2):
        tracker = ByteTracker(0.5)
        for i in range(5):
            tracker.update(*box_at(10), time_s=i / 10)
        for i in range(round(hidden_s * 10) - 1):
            tracker.update(*EMPTY, time_s=0.5 + i / 10)
        for i in range(3):
            ids = tracker.update(*box_at(10), time_s=0.4 + hidden_s + i / 10)[1]
        after.append(ids.tolist())

    assert after == [[1], [2]]


def test_a_faint_detection_continues_a_track_but_begins_none():
    tracker = ByteTracker(0.5)
    faint = [tracker.update(*box_at(10, score=0.3), time_s=i)[1].tolist() for i in range(4)]
    for i in range(4, 8):
        tracker.update(*box_at(10), time_s=i)

    continued = tracker.update(*box_at(10, score=0.3), time_s=8)[1]

    assert faint == [[0]] * 4
    assert continued.tolist() == [1]


def test_a_track_has_one_class():
    tracker = ByteTracker(0.5)
    for i in range(4):
        tracker.update(*box_at(10), time_s=i / 10)

    ids = [tracker.update(*box_at(10, class_id=1), time_s=0.4 + i / 10)[1][0] for i in range(3)]

    assert ids == [0, 0, 2]


def test_memory_is_bounded_while_objects_come_and_go():
    random, tracker = np.random.default_rng(0), ByteTracker(0.5)

    for i in range(1000):
        corners = random.uniform(0, 1000, (5, 2))
        boxes = np.concatenate([corners, corners + 50], axis=1)
        tracker.update(boxes, np.full(5, 0.9), np.zeros(5, int), time_s=i / 30)

    assert len(tracker._tracks) < 100
