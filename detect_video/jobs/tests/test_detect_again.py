"""Detecting again in a stored video with another model: results, renderings, interrupted runs."""

import shutil
import threading
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from detect_video.api.tests.test_uploads import announced, assert_problem
from detect_video.errors import NotFinished, RunLost
from detect_video.jobs import scheduler as jobs
from detect_video.jobs.tasks import run_detection
from detect_video.jobs.tests.test_jobs import (
    assert_complete,
    cancel_during_detection,
    done_video,
    make_stale,
    queued_video,
    rendering_of,
    work_off,
)
from detect_video.models import FrameResult, Rendering, State, Video
from detect_video.services import detect_again
from ml_core.tests.toy_network import install_toy_network

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def two_detectors(settings, toy_detector, tmp_path: Path) -> None:
    """The toy network as the default, and a copy with other class names."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.DETECTOR = "toy"
    install_toy_network(settings.MODEL_DIR)
    install_toy_network(settings.MODEL_DIR, "red", ("cherry", "plum"), sees_blue=False)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("owner"))
    return client


@pytest.fixture
def video(client, clip) -> Video:
    """A video of the client with the results of the toy network."""
    return done_video(clip, user=get_user_model().objects.get())


def again(client: Client, video: Video, model: str = "red"):
    address = f"/api/videos/{video.pk}/detect-again/"
    return client.post(address, {"model": model}, "application/json")


def names_of(video: Video) -> set[str]:
    return {found["class_name"] for frame in video.frames.all() for found in frame.detections}


def test_the_results_of_the_new_model_replace_the_former_ones(client, video):
    assert names_of(video) == {"tomato"}

    queued = again(client, video).json()
    waiting = FrameResult.objects.count()
    work_off()

    assert (queued["state"], queued["model"], queued["frames_detected"]) == ("queued", "red", 0)
    assert (queued["detect_fps"], queued["queue_position"], waiting) == (0, 1, 0)
    assert_complete(video, 20)
    assert (video.model, names_of(video)) == ("red", {"cherry"})


def test_without_a_model_the_default_one_detects_again(client, video):
    Video.objects.update(model="red")

    assert client.post(f"/api/videos/{video.pk}/detect-again/").json()["model"] == "toy"


def test_a_failed_video_starts_again_from_the_first_frame(client, video):
    Video.objects.update(state=State.FAILED, error_code="x", error="y", attempt=3, worked_s=9e9)

    assert again(client, video).json()["error"] == ""
    work_off()

    assert_complete(video, 20)
    assert names_of(video) == {"cherry"}


def test_a_cancelled_video_starts_again_from_the_first_frame(client, clip, monkeypatch):
    video = queued_video(clip, user=get_user_model().objects.get())
    cancel_during_detection(monkeypatch)
    assert 0 < FrameResult.objects.count() < 20

    assert again(client, video).status_code == 200
    work_off()

    assert_complete(video, 20)
    assert names_of(video) == {"cherry"}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_video_whose_detection_is_in_progress_is_refused(client, video, state):
    Video.objects.update(state=state)

    assert_problem(again(client, video), 409, "not_finished")
    assert FrameResult.objects.count() == 20


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_video_that_is_being_rendered_is_refused(client, video, state):
    rendering_of(video)
    Rendering.objects.update(state=state)

    assert_problem(again(client, video), 409, "not_finished")
    assert FrameResult.objects.count() == 20


def test_a_refusal_says_its_reason_in_chinese_too(client, video):
    rendering_of(video)

    refused = client.post(
        f"/api/videos/{video.pk}/detect-again/", headers={"accept-language": "zh-CN"}
    )

    assert refused.json()["detail"] == "正在渲染该视频。请等待其完成，或取消渲染。"


def test_a_rendering_is_kept_and_names_its_own_model(client, video):
    rendering_of(video)
    work_off()

    again(client, video)
    work_off()
    video.refresh_from_db()
    rendering_of(video)
    work_off()

    shown = client.get(f"/api/videos/{video.pk}/").json()["renderings"]
    assert [(item["model"], item["state"]) for item in shown] == [("red", "done"), ("toy", "done")]
    assert all(Path(item.file.path).stat().st_size for item in Rendering.objects.all())


def test_a_rendering_requested_with_a_row_read_before_is_refused(client, video):
    before = Video.objects.get()
    again(client, video)

    with pytest.raises(NotFinished):
        rendering_of(before)
    assert not Rendering.objects.exists()


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nonesuch", 422, "unknown_model"),
        ("resnet56v2-cifar10", 422, "unknown_model"),
        ("yolov3", 503, "model_not_installed"),
    ],
)
def test_a_model_that_cannot_detect_leaves_the_results_as_they_are(
    client, video, model, status, code
):
    assert_problem(again(client, video, model), status, code)
    assert_complete(video, 20)
    assert names_of(video) == {"tomato"}


def test_a_video_whose_file_is_missing_keeps_its_results(client, video):
    shutil.rmtree(video.folder)

    assert_problem(again(client, video), 404, "file_gone")
    assert_complete(video, 20)


def test_an_incomplete_upload_is_refused(client, clip):
    video = Video.objects.get(pk=announced(client, clip)["id"])

    assert_problem(again(client, video), 409, "not_finished")


def test_a_crash_while_the_results_are_discarded_changes_nothing(video, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("django.db.models.query.QuerySet.delete", crash)
    with pytest.raises(KeyboardInterrupt):
        detect_again(video, "red")

    assert_complete(video, 20)
    assert (video.model, names_of(video)) == ("toy", {"tomato"})


def test_a_run_of_the_former_results_cannot_write_any_more(clip):
    video = queued_video(clip)
    claimed = jobs.claim_next(Video)
    Video.objects.get().cancel()

    detect_again(video, "red")

    row = FrameResult(video=claimed, frame_index=0, pts_us=0, detections=[])
    with pytest.raises(RunLost):
        claimed.store_frames([row], detect_fps=1)
    jobs.run(claimed, run_detection, threading.Event())
    video.refresh_from_db()
    assert (video.state, video.model, FrameResult.objects.count()) == (State.QUEUED, "red", 0)


def test_a_new_detection_that_dies_resumes_with_the_new_model(video, monkeypatch):
    store_frames = Video.store_frames

    def die_after_seven(self, frames, **more):
        store_frames(self, frames, **more)
        if self.frames_detected >= 7:
            raise KeyboardInterrupt

    detect_again(video, "red")
    with monkeypatch.context() as patched:
        patched.setattr(Video, "store_frames", die_after_seven)
        with pytest.raises(KeyboardInterrupt):
            work_off()
    assert 7 <= FrameResult.objects.count() < 20

    make_stale(video)
    work_off()

    assert_complete(video, 20)
    assert names_of(video) == {"cherry"}
