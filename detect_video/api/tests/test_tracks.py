"""The API of tracks and counts, which answers from stored results."""

import csv
import io
import json

import pytest
from django.test import AsyncClient

from detect_video import tracks
from detect_video.exports import with_track_ids
from detect_video.models import FrameResult, Rendering, State, Video
from ml_core.tracking.tracks import MAX_OBJECTS

pytestmark = pytest.mark.django_db

WIDTH, HEIGHT = 200, 100


def detection(x: float, y: float, *, score: float = 0.9, name: str = "person") -> dict:
    """A detection whose bottom edge has its middle at (x, y)."""
    box = [x - 10, y - 30, x + 10, y]
    return {
        "box": box,
        "class_id": 0 if name == "person" else 2,
        "class_name": name,
        "score": score,
    }


def store(video: Video, frames: list[list[dict]]) -> None:
    first = video.frames_detected
    FrameResult.objects.bulk_create(
        FrameResult(video=video, frame_index=i, pts_us=i * 100_000, detections=found)
        for i, found in enumerate(frames, first)
    )
    video.frames_detected = first + len(frames)
    video.save()


@pytest.fixture
def video(owner) -> Video:
    """Results of 2 s: a person walks to the right, a car to the left, and something flickers."""
    video = Video.objects.create(
        user=owner,
        name="street.mp4",
        size_bytes=5,
        state=State.DONE,
        model="toy",
        width=WIDTH,
        height=HEIGHT,
        rate="10",
    )
    frames = [
        [detection(20 + 8 * i, 50), detection(180 - 8 * i, 90, name="car")] for i in range(20)
    ]
    frames[7].append(detection(100, 20))
    store(video, frames)
    return video


def url(video: Video, rest: str) -> str:
    return f"/api/videos/{video.pk}/{rest}"


def test_every_object_keeps_its_track_id(client, video):
    answer = client.get(url(video, "tracks/")).json()

    assert answer["track_ids"] == [[1, 2, None] if i == 7 else [1, 2] for i in range(20)]
    person = {"track_id": 1, "class_id": 0, "class_name": "person", "frames": 20}
    person |= {"first_frame": 0, "last_frame": 19, "first_s": 0.0, "last_s": 1.9}
    assert answer["tracks"][0] == person
    assert (answer["frames"], answer["fps"], answer["score_threshold"]) == (20, 10.0, 0.25)


def test_objects_below_the_threshold_begin_no_track(client, video):
    store(video, [[detection(100, 50, score=0.3)]] * 5)

    ids = [
        client.get(url(video, f"tracks/?score_threshold={threshold}&from_frame=20")).json()
        for threshold in (0.2, 0.5)
    ]

    assert [answer["track_ids"] for answer in ids] == [[[3]] * 5, [[None]] * 5]


def test_tracks_grow_while_detection_goes_on(client, video):
    before = client.get(url(video, "tracks/")).json()
    store(video, [[detection(20 + 8 * i, 50)] for i in range(20, 22)])

    after = client.get(url(video, "tracks/?from_frame=20")).json()

    assert (after["frames"], after["from_frame"]) == (22, 20)
    assert after["track_ids"] == [[1], [1]]
    assert after["tracks"][0]["last_frame"] == 21
    assert before["tracks"][1] == after["tracks"][1]


def test_tracks_follow_results_that_were_replaced(client, video):
    client.get(url(video, "tracks/"))
    video.frames.all().delete()
    video.frames_detected = 0
    store(video, [[detection(50, 50, name="car")]] * 4)

    answer = client.get(url(video, "tracks/")).json()

    assert answer["track_ids"] == [[1]] * 4
    assert [track["class_name"] for track in answer["tracks"]] == ["car"]


def test_results_that_are_replaced_while_they_are_loaded_are_loaded_again(
    client, video, monkeypatch
):
    page = tracks._page

    def replace_after_loading(*arguments):
        rows = page(*arguments)
        monkeypatch.setattr(tracks, "_page", page)
        video.frames.all().delete()
        video.frames_detected = 0
        store(video, [[detection(50, 50, name="car")]] * 30)
        return rows

    monkeypatch.setattr(tracks, "_page", replace_after_loading)
    answer = client.get(url(video, "tracks/")).json()

    assert [track["class_name"] for track in answer["tracks"]] == ["car"]
    assert answer["track_ids"] == [[1]] * 30


def test_results_of_deleted_videos_are_not_kept(client, video, owner):
    client.get(url(video, "tracks/"))
    pk = video.pk
    assert pk in tracks._kept
    video.delete()

    other = Video.objects.create(user=owner, name="other.mp4", size_bytes=5)
    client.get(url(other, "tracks/"))

    assert pk not in tracks._kept


def test_thresholds_that_hardly_differ_are_one(client, video):
    answers = [
        client.get(url(video, f"tracks/?score_threshold={threshold}")).json()
        for threshold in ("0.401", "0.4")
    ]

    assert answers[0] == answers[1]
    assert answers[0]["score_threshold"] == 0.4


def test_only_so_many_objects_per_frame_are_tracked_at_once(client, video):
    crowd = [detection(20 * i, 50) for i in range(MAX_OBJECTS + 5)]
    video.frames.all().delete()
    video.frames_detected = 0
    store(video, [crowd] * 4)

    answer = client.get(url(video, "tracks/")).json()

    assert len(answer["tracks"]) == MAX_OBJECTS
    assert [len(ids) for ids in answer["track_ids"]] == [MAX_OBJECTS + 5] * 4
    assert answer["track_ids"][3][-5:] == [None] * 5


def test_a_video_without_results_has_no_tracks(client, video):
    video.frames.all().delete()

    found = client.get(url(video, "tracks/?from_frame=3")).json()
    counts = client.get(url(video, "counts/?line=0,0,9,9&zone=0,0,9,0,9,9")).json()

    assert (found["frames"], found["tracks"], found["track_ids"]) == (0, [], [])
    assert (counts["classes"], counts["duration_s"]) == ([], 0)
    assert (counts["lines"][0]["crossings"], counts["zones"][0]["occupancy"]) == ([], [])


def test_counts_tell_how_many_objects_of_each_class_there_are(client, video):
    person, car = client.get(url(video, "counts/")).json()["classes"]

    assert (person["class_name"], person["objects"], person["most_at_once"]) == ("person", 1, 1)
    assert person["longest_stay_s"] == 2.0
    assert car["timeline"] == [1] * 20


def test_crossings_have_a_direction_and_a_frame(client, video):
    answer = client.get(url(video, f"counts/?line=100,{HEIGHT},100,0")).json()
    (line,) = answer["lines"]

    # From the bottom to the top of the picture, the right side is on the right.
    crossed = [(one["class_name"], one["direction"]) for one in line["crossings"]]
    assert crossed == [("person", "in"), ("car", "out")]
    assert line["crossings"][0]["frame_index"] == 11
    assert line["crossings"][0]["pts_s"] == 1.1
    assert [(one["in"], one["out"]) for one in line["counts"]] == [(1, 0), (0, 1)]


def test_visits_of_a_zone_have_a_duration(client, video):
    answer = client.get(url(video, "counts/?zone=60,0,140,0,140,70,60,70")).json()
    (zone,) = answer["zones"]

    (visit,) = zone["entries"]
    assert (visit["class_name"], visit["frame_index"], visit["left_frame_index"]) == (
        "person",
        6,
        16,
    )
    assert visit["dwell_s"] == 1.0
    assert zone["counts"][0]["entries"] == 1
    assert zone["occupancy"] == [0] * 6 + [1] * 10 + [0] * 4


def test_a_visit_is_over_when_its_object_is_no_longer_seen(client, video):
    store(video, [[]] * 20)

    (zone,) = client.get(url(video, "counts/?zone=100,0,200,0,200,70,100,70")).json()["zones"]

    (visit,) = zone["entries"]
    assert (visit["left_frame_index"], visit["until_frame_index"]) == (None, 20)
    assert zone["occupancy"][19:21] == [1, 0]


def test_regions_that_are_kept_with_the_video_are_counted(client, video):
    regions = {"lines": [[100, HEIGHT, 100, 0]], "zones": [[0, 0, 200, 0, 200, 100]]}

    kept = client.patch(url(video, "regions/"), regions, content_type="application/json")
    client.patch(url(video, "regions/"), {"zones": []}, content_type="application/json")
    counts = client.get(url(video, "counts/")).json()
    others = client.get(url(video, "counts/?line=0,60,200,60&line=0,99,200,99")).json()

    assert kept.status_code == 200
    assert {name: kept.json()[name] for name in regions} == regions
    none = client.get(url(video, "counts/?line=")).json()
    assert [line["line"] for line in counts["lines"]] == regions["lines"]
    assert counts["zones"] == []
    assert (none["lines"], none["zones"]) == ([], [])
    assert [len(line["crossings"]) for line in others["lines"]] == [0, 0]


def test_counts_as_a_table_have_a_row_per_event(client, video):
    query = f"?line=100,{HEIGHT},100,0&zone=60,0,140,0,140,70,60,70"
    answer = client.get(url(video, f"counts.csv{query}"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))

    assert answer["Content-Disposition"] == 'attachment; filename="street.counts.csv"'
    events = [(row["event"], row["class_name"], row["frame_index"]) for row in rows]
    assert events == [
        ("track", "person", "0"),
        ("track", "car", "0"),
        ("visit", "person", "6"),
        ("crossing", "person", "11"),
        ("crossing", "car", "11"),
    ]
    assert (rows[2]["region"], rows[2]["duration_s"]) == ("1", "1.0")


def test_counts_as_a_file_are_those_of_the_answer(client, video):
    query = f"?line=100,{HEIGHT},100,0&score_threshold=0.4"
    answer = client.get(url(video, f"counts.json{query}"))

    assert answer["Content-Disposition"] == 'attachment; filename="street.counts.json"'
    assert answer.json() == client.get(url(video, f"counts/{query}")).json()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("tracks/?score_threshold=2", "score_threshold"),
        ("tracks/?from_frame=-1", "from_frame"),
        ("tracks/?line=0,0,9,9", "line"),
        ("counts/?line=0,0,9", "line"),
        ("counts/?line=9,9,9,9", "line"),
        ("counts/?line=0,0,9,nan", "line"),
        ("counts/?line=0,0,9,inf", "line"),
        ("counts/?line=0,0,9,red", "line"),
        ("counts/?line=0,0,9,101", "line"),
        ("counts/?zone=0,0,9,9", "zone"),
        ("counts/?zone=0,0,9,9,0,-1", "zone"),
        ("counts/?zone=" + ",".join(["1"] * 42), "zone"),
        ("counts.csv?" + "&".join(["line=0,0,9,9"] * 11), "line"),
    ],
)
def test_invalid_queries_are_refused(client, video, query, name):
    answer = client.get(url(video, query))

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [name]


def test_a_query_of_too_many_parameters_is_a_problem(client, video):
    answer = client.get(url(video, "counts/?" + "&".join(["line=0,0,9,9"] * 300)))

    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_fields")


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": [[0, 0, 9]]},
        {"lines": "0,0,9,9"},
        {"lines": [[0, 0, 9, True]]},
        {"lines": [[0, 0, 9, {}]]},
        {"lines": [[0, 0, 10**400, 9]]},
        {"lines": [[0, 0, 9, 9]] * 11},
        {"zones": [[0, 0, 9, 9, 9, 300]]},
        {"zones": [None]},
        {"circles": []},
    ],
)
def test_invalid_regions_are_refused(client, video, wrong):
    answer = client.patch(url(video, "regions/"), wrong, content_type="application/json")

    assert answer.status_code == 422
    video.refresh_from_db()
    assert (video.lines, video.zones) == ([], [])


async def body_of(response) -> str:
    return b"".join([block async for block in response.streaming_content]).decode()


@pytest.fixture
def reader(owner) -> AsyncClient:
    """An async client of the owner, for streamed responses."""
    client = AsyncClient()
    client.force_login(owner)
    return client


@pytest.mark.django_db(transaction=True)
async def test_exports_have_track_ids_on_request(reader, video):
    texts = {
        name: await body_of(await reader.get(url(video, f"results.{name}?tracks=true")))
        for name in ("jsonl", "csv", "coco.json")
    }

    lines = [json.loads(line) for line in texts["jsonl"].splitlines()]
    assert [found["track_id"] for found in lines[7]["detections"]] == [1, 2, None]
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [row["track_id"] for row in rows if row["frame_index"] == "7"] == ["1", "2", ""]
    annotations = json.loads(texts["coco.json"])["annotations"]
    assert [one.get("track_id") for one in annotations if one["image_id"] == 8] == [1, 2, None]


@pytest.mark.django_db(transaction=True)
async def test_exports_have_no_track_ids_without_a_request(reader, video):
    for name in ("jsonl", "csv", "coco.json"):
        assert "track_id" not in await body_of(await reader.get(url(video, f"results.{name}")))


def test_frames_that_were_replaced_meanwhile_have_no_track_ids():
    frames = [{"frame_index": i, "detections": [detection(9, 9)] * 2} for i in range(3)]

    tracked = with_track_ids(frames, [[1, 2], [1, 2, 3]])

    ids = [[found["track_id"] for found in frame["detections"]] for frame in tracked]
    assert ids == [[1, 2], [None, None], [None, None]]


def test_invalid_options_of_exports_are_refused(client, video):
    answer = client.get(url(video, "results.csv?tracks=many"))

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["tracks"])


def test_a_saved_video_keeps_the_regions_of_its_request(client, video):
    video.lines = [[100.0, 100.0, 100.0, 0.0]]
    video.save()

    body = {"show_regions": True, "score_threshold": 0.4}
    answer = client.post(url(video, "renderings/"), body, content_type="application/json")
    client.patch(url(video, "regions/"), {"lines": []}, content_type="application/json")

    rendering = Rendering.objects.get()
    assert (answer.json()["show_tracks"], answer.json()["show_regions"]) == (False, True)
    assert (rendering.lines, rendering.zones) == ([[100.0, 100.0, 100.0, 0.0]], [])
