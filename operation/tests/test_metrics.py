"""``/metrics`` and the operator's page: access and content."""

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.tokens import create_token
from detect_image.tests.test_api import PICTURE
from detect_video.models import State, Video
from web.storage.owners import Owner
from web.streams import open_streams, opened

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def media(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


def scrape(settings) -> dict[str, float]:
    """All samples by name and labels."""
    settings.METRICS_TOKEN = "for-prometheus"
    response = Client(headers={"authorization": "Bearer for-prometheus"}).get("/metrics")
    assert response.status_code == 200
    lines = [line for line in response.content.decode().splitlines() if line[0] != "#"]
    return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_need_staff_or_the_metrics_token(settings):
    staff, other = Client(), Client()
    staff.force_login(User.objects.create_superuser("staff"))
    other.force_login(User.objects.create_user("other"))
    wrong = Client(headers={"authorization": "Bearer wrong"})

    assert staff.get("/metrics").status_code == 200
    for client in (Client(), other, wrong, Client(REMOTE_ADDR="127.0.0.1")):
        assert client.get("/metrics").status_code == 401


def test_an_empty_metrics_token_matches_nothing(settings):
    settings.METRICS_TOKEN = ""

    for text in ("Bearer ", "Bearer", "Bearer x"):
        assert Client(headers={"authorization": text}).get("/metrics").status_code == 401


def test_api_tokens_do_not_open_operator_pages():
    token = create_token(User.objects.create_superuser("staff"), "mine")[1]
    program = Client(headers={"authorization": f"Bearer {token}"})

    for path in ("/metrics", "/admin/operation/", "/admin/operation/status/"):
        assert program.get(path).status_code == 403


def test_the_metrics_token_opens_nothing_else(settings):
    settings.METRICS_TOKEN = "for-prometheus"
    settings.REQUIRE_LOGIN = True
    prometheus = Client(headers={"authorization": "Bearer for-prometheus"})

    assert prometheus.get("/api/videos/").status_code == 401
    assert prometheus.get("/metrics").status_code == 200


def test_requests_are_counted_by_view_and_not_by_path(client, settings):
    name = 'vision_http_request_seconds_count{method="GET",status="404",view="none"}'
    before = scrape(settings).get(name, 0)

    client.get("/chosen/by/a/client/")
    client.get("/livez")
    found = scrape(settings)

    assert found[name] == before + 1
    assert not any("chosen" in key for key in found)
    assert any('status="200"' in key and "livez" in key for key in found)


def test_metrics_cover_stages_queues_jobs_and_storage(client, settings):
    Video.objects.create(name="a", size_bytes=5, state=State.QUEUED)
    upload = {"image": SimpleUploadedFile("cells.png", PICTURE)}
    before = scrape(settings).get('vision_stage_seconds_count{stage="draw"}', 0)
    response = client.post("/api/detect/image/?return=url", upload)
    found = scrape(settings)

    assert response.status_code == 200
    for stage in ("decode", "queue", "inference", "draw"):
        assert f"{stage};dur=" in response["Server-Timing"]
        assert found[f'vision_stage_seconds_count{{stage="{stage}"}}'] >= 1
    assert found['vision_stage_seconds_count{stage="draw"}'] == before + 1
    assert found['vision_queued_pictures{model="toy"}'] == 0
    assert found['vision_jobs{kind="video",state="queued"}'] == 1
    assert found['vision_stored_bytes{kind="detect_image.detectedimage"}'] > len(PICTURE)
    assert found['vision_open_sockets{kind="camera"}'] == 0
    assert found["vision_free_bytes"] > 0


def test_frames_of_streams_are_counted(settings):
    def frames(outcome: str) -> float:
        name = f'vision_frames_total{{outcome="{outcome}",source="camera"}}'
        return scrape(settings).get(name, 0)

    before = [frames(outcome) for outcome in ("done", "dropped")]
    with opened("camera", Owner()) as stream:
        stream.count_done(3)
        stream.count_dropped()
        open_meanwhile = open_streams()

    assert [frames(outcome) for outcome in ("done", "dropped")] == [before[0] + 3, before[1] + 1]
    assert (stream in open_meanwhile, stream in open_streams()) == (True, False)
    assert (stream.done, stream.dropped, stream.fps) == (3, 1, 3.0)


def test_the_operators_page_shows_models_and_loads_the_status():
    staff = Client()
    staff.force_login(User.objects.create_superuser("staff"))

    page = staff.get("/admin/operation/")
    with opened("video", Owner(session_key="abcdefghij")) as stream:
        stream.count_done(2)
        answer = staff.get("/admin/operation/status/")
    status = answer.json()

    assert "/admin/operation/status/" in page.content.decode()
    assert "/admin/operation/" in staff.get("/admin/").content.decode()
    assert answer["Cache-Control"].startswith("max-age=0")
    assert "toy" in {model["name"] for model in status["models"]}
    assert status["streams"][0]["fps"] == 2
    assert status["streams"][0]["owner"] == "session abcdef…"
    assert set(status["checks"]) - {"cache"} == {"database", "media", "disk"}
    assert status["sockets"] == {"camera": 0, "video": 0}
    assert status["storage"]["free"] > 0
