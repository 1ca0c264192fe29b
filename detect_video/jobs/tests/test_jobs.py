"""Detection and rendering jobs: results, interrupted runs, retries and scheduling."""

import itertools
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from detect_video import chunked_uploads
from detect_video.api.serializers import VideoSerializer
from detect_video.conftest import cell_of, write_tomatoes
from detect_video.errors import NotFinished, RunLost
from detect_video.jobs import pipeline, tasks
from detect_video.jobs import scheduler as jobs
from detect_video.jobs.tasks import run_detection
from detect_video.models import (
    LEAST_RUN_S,
    MAX_ATTEMPTS,
    FrameResult,
    Job,
    Rendering,
    State,
    Video,
)
from detect_video.services import request_rendering, retry_video
from detect_video.tests.clips import write_clip
from detect_video.video import rendering as video_rendering
from detect_video.video.reader import VideoFrame, VideoReader
from detect_video.video.rendering import render_video
from ml_core import engine, model_pool
from ml_core.errors import Busy, InferenceTimeout

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


def queued_video(data: bytes, **fields: object) -> Video:
    video = Video(name="clip.mp4", size_bytes=len(data), width=96, height=96, **fields)
    video.folder.mkdir(parents=True)
    video.source_path.write_bytes(data)
    video.file.name = f"detect_video/{video.pk}/source"
    video.save()
    return video


def work_off() -> None:
    """Run all waiting jobs, one after the other."""
    for _, kind, how in jobs.KINDS:
        while job := jobs.claim_next(kind):
            jobs.run(job, how, threading.Event())


_results: dict[bytes, tuple[dict, list[dict]]] = {}


def done_video(data: bytes, **fields: object) -> Video:
    """A video whose detection is done; the toy network looks at each clip only once."""
    video = queued_video(data, **fields)
    if data not in _results:
        work_off()
        names = ("state", "error", "model", "frames_detected", "detect_fps")
        (result,) = Video.objects.filter(pk=video.pk).values(*names)
        assert (result["state"], result["error"]) == (State.DONE, "")
        _results[data] = result, list(video.frames.values("frame_index", "pts_us", "detections"))
    else:
        result, rows = _results[data]
        FrameResult.objects.bulk_create(FrameResult(video=video, **row) for row in rows)
        Video.objects.filter(pk=video.pk).update(**result)
    video.refresh_from_db()
    return video


def cancel_during_detection(monkeypatch) -> None:
    store_frames = Video.store_frames

    def store_and_cancel(self, frames, **more):
        store_frames(self, frames, **more)
        Video.objects.get().cancel()

    with monkeypatch.context() as patched:
        patched.setattr(Video, "store_frames", store_and_cancel)
        work_off()


def boxes_of(frame: FrameResult) -> list[list[float]]:
    return [item["box"] for item in frame.detections]


def expected_box(frame_index: int) -> list[float]:
    column, row = cell_of(frame_index)
    return [column * 32, row * 32, column * 32 + 32, row * 32 + 32]


def assert_complete(video: Video, frames: int) -> None:
    """Assert that every frame has exactly one result, with its own box."""
    video.refresh_from_db()
    stored = list(video.frames.order_by("frame_index"))
    assert (video.state, video.error) == (State.DONE, "")
    assert video.frames_detected == frames
    assert [frame.frame_index for frame in stored] == list(range(frames))
    assert [frame.pts_us for frame in stored] == [index * 100_000 for index in range(frames)]
    for frame in stored:
        assert boxes_of(frame) == [pytest.approx(expected_box(frame.frame_index), abs=2)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def make_stale(job) -> None:
    long_ago = timezone.now() - timedelta(seconds=9)
    type(job).objects.filter(pk=job.pk).update(heartbeat_at=long_ago)


def test_every_frame_of_a_queued_video_is_detected(clip):
    video = queued_video(clip)

    work_off()

    assert_complete(video, 20)
    assert (video.model, video.run_id, video.truncated) == ("toy", None, "")
    assert video.detect_fps > 0


def test_detection_resumes_after_the_last_stored_frame_of_a_dead_run(clip, monkeypatch):
    video = queued_video(clip)
    claimed = jobs.claim_next(Video)
    store_frames = Video.store_frames

    def die_after_seven(self, frames, **more):
        store_frames(self, frames, **more)
        if self.frames_detected >= 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Video, "store_frames", die_after_seven)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(claimed, run_detection, threading.Event())
    monkeypatch.undo()
    video.refresh_from_db()
    stored = video.frames_detected
    assert (video.state, 7 <= stored < 20) == (State.RUNNING, True)
    assert jobs.claim_next(Video) is None
    first_rows = list(video.frames.values_list("pk", flat=True))

    make_stale(video)
    work_off()

    assert_complete(video, 20)
    assert list(video.frames.order_by("frame_index").values_list("pk", flat=True))[:stored] == (
        first_rows
    )


def test_a_run_that_was_taken_over_cannot_write(clip):
    queued_video(clip)
    first = jobs.claim_next(Video)
    make_stale(first)
    second = jobs.claim_next(Video)
    assert second.run_id != first.run_id

    row = FrameResult(video=first, frame_index=0, pts_us=0, detections=[])
    with pytest.raises(RunLost):
        first.store_frames([row], detect_fps=1)
    with pytest.raises(RunLost):
        first.checkpoint()
    with pytest.raises(RunLost):
        first.end_run(State.DONE)

    assert not FrameResult.objects.exists()
    second.store_frames([row], detect_fps=1)


def test_only_one_of_two_workers_claims_a_job(clip):
    queued_video(clip)
    first, second = Video.objects.get(), Video.objects.get()

    assert first.claim()
    assert not second.claim()


def crash(kind, times: int) -> None:
    """Simulate runs that die as soon as their attempt has begun."""
    for _ in range(times):
        claimed = jobs.claim_next(kind)
        assert claimed is not None
        claimed.begin_attempt()
        make_stale(claimed)


def test_a_job_without_progress_fails_after_three_attempts(clip):
    video = queued_video(clip)
    crash(Video, 3)

    assert jobs.claim_next(Video) is None
    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "interrupted")
    assert "3 times in a row" in video.error

    retry_video(video)
    work_off()
    assert_complete(video, 20)


def test_a_run_that_dies_before_the_model_is_loaded_does_not_count_as_an_attempt(clip):
    video = queued_video(clip)

    for _ in range(5):
        assert jobs.claim_next(Video)
        make_stale(video)

    assert jobs.claim_next(Video) is not None


def test_a_run_that_dies_before_the_first_frame_does_not_count_as_an_attempt(clip, monkeypatch):
    """On a busy server, the first frame takes seconds."""
    rendering = rendering_of(done_video(clip))
    queued_video(clip)
    monkeypatch.setattr(tasks, "open_frames", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(video_rendering, "VideoReader", Mock(side_effect=KeyboardInterrupt))

    for _, kind, how in jobs.KINDS:
        claimed = jobs.claim_next(kind)
        with pytest.raises(KeyboardInterrupt):
            jobs.run(claimed, how, threading.Event())
        claimed.refresh_from_db()
        assert (claimed.state, claimed.attempt) == (State.RUNNING, 0)
    assert rendering.pk == claimed.pk


def test_new_frames_reset_the_number_of_attempts(clip):
    video = queued_video(clip)
    for index in range(5):
        crash(Video, 2)
        claimed = jobs.claim_next(Video)
        row = FrameResult(video=claimed, frame_index=index, pts_us=index, detections=[])
        claimed.store_frames([row], detect_fps=1)
        make_stale(video)

    assert jobs.claim_next(Video) is not None


def test_a_cancelled_video_keeps_its_results_and_can_be_resumed(clip, monkeypatch):
    video = queued_video(clip)
    cancel_during_detection(monkeypatch)
    video.refresh_from_db()
    assert video.state == State.CANCELLED
    assert 0 < video.frames.count() == video.frames_detected < 20

    retry_video(video)
    work_off()

    assert_complete(video, 20)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.UPLOADING])
def test_a_job_that_is_not_active_is_not_cancelled(clip, state):
    video = queued_video(clip, state=state)

    video.cancel()

    assert video.state == state


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_results_that_a_run_stores_meanwhile_are_deleted_with_the_video(clip):
    video = queued_video(clip)
    claimed = jobs.claim_next(Video)
    row = FrameResult(video=claimed, frame_index=0, pts_us=0, detections=[])

    def delete() -> None:
        video.delete()
        connection.close()

    with ThreadPoolExecutor(1) as others:
        with transaction.atomic():
            claimed.store_frames([row], detect_fps=1)
            deleted = others.submit(delete)
            with connection.cursor() as cursor:
                while not cursor.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount:
                    assert not deleted.done()
        deleted.result(30)

    assert (Video.objects.count(), FrameResult.objects.count()) == (0, 0)


def test_a_video_deleted_during_detection_stays_deleted(clip, monkeypatch, media):
    queued_video(clip)
    store_frames = Video.store_frames

    def deleted_soon(self, frames, **more):
        store_frames(self, frames, **more)
        Video.objects.get().delete()

    monkeypatch.setattr(Video, "store_frames", deleted_soon)
    work_off()

    assert not Video.objects.exists() and not FrameResult.objects.exists()
    assert list(media.rglob("source")) == []


def test_a_missing_model_fails_the_job_and_says_so(clip, no_detector):
    video = queued_video(clip)

    work_off()

    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "model_not_installed")
    assert video.error == "No detection model is installed on this server."


def described(video: Video) -> dict:
    return VideoSerializer(Video.objects.get(pk=video.pk)).data


def start_loading(video: Video) -> jobs.Running:
    """Start detection, and return once it waits for its model."""
    running = jobs.Running(jobs.claim_next(Video), run_detection)
    running.start()
    wait_until(lambda: described(video)["is_loading"])
    return running


def test_a_video_tells_that_it_waits_for_its_model(clip, loading_detector):
    video = queued_video(clip)
    running = start_loading(video)

    loading_detector.close()
    running.thread.join(120)

    assert_complete(video, 20)
    assert described(video)["is_loading"] is False


def test_a_video_that_waits_for_its_model_can_be_cancelled(clip, loading_detector):
    video = queued_video(clip)
    running = start_loading(video)

    Video.objects.get(pk=video.pk).cancel()
    running.thread.join(30)

    assert not running.thread.is_alive()
    assert (described(video)["state"], described(video)["is_loading"]) == ("cancelled", False)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (engine, "submit", Busy),
        (engine.Submitted, "detections", Busy),
        (engine.Submitted, "detections", InferenceTimeout),
    ],
)
def test_a_busy_model_is_waited_for(clip, monkeypatch, owner, name, error):
    call = getattr(owner, name)
    refusals = iter([True, True])

    def busy_at_first(*arguments, **options):
        if next(refusals, False):
            raise error("later")
        return call(*arguments, **options)

    monkeypatch.setattr(owner, name, busy_at_first)
    monkeypatch.setattr(pipeline, "RETRY_AFTER_S", 0.01)

    done_video(clip)


def test_frames_that_are_being_computed_are_waited_for_when_a_video_is_given_up(monkeypatch):
    broker = model_pool.loaded("detection", "").broker
    infer = broker.engine.infer
    monkeypatch.setattr(broker.engine, "infer", lambda batch, **_: time.sleep(0.1) or infer(batch))
    frames = [VideoFrame(pts_us, 96, 96, bytearray(96 * 96 * 3)) for pts_us in range(9)]
    found = pipeline.detect_frames(frames, resolution_wh=(96, 96), model="", queue_key="video")
    next(found)

    found.close()

    assert broker.is_idle


def damaged_database() -> Exception:
    """A damaged SQLite file, as Django reports it."""
    error = DatabaseError("database disk image is malformed")
    error.__cause__ = sqlite3.DatabaseError(str(error))
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "no disk"),
        OperationalError("locked"),
        InterfaceError("connection already closed"),
        damaged_database(),
        MemoryError,
    ],
)
def test_a_transient_server_error_leaves_the_job_for_the_next_attempt(clip, monkeypatch, error):
    video = queued_video(clip)
    with monkeypatch.context() as patched:
        patched.setattr(Video, "store_frames", Mock(side_effect=error))
        work_off()
    video.refresh_from_db()
    assert video.state == State.RUNNING

    make_stale(video)
    work_off()

    assert_complete(video, 20)


def test_a_permanent_error_fails_the_job_at_the_first_attempt(clip, monkeypatch):
    video = queued_video(clip)
    monkeypatch.setattr(engine, "submit", lambda *_, **__: 1 / 0)

    work_off()

    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "server_error")
    assert (video.attempt, "log" in video.error) == (1, True)


def test_a_file_that_is_no_video_fails_the_job(clip):
    video = queued_video(b"no video")

    work_off()

    video.refresh_from_db()
    assert video.state == State.FAILED and video.error


def test_a_video_whose_file_is_missing_fails_at_the_first_attempt(clip):
    video = queued_video(clip)
    video.source_path.unlink()

    work_off()

    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "file_gone")


def test_a_rendering_whose_source_file_is_missing_fails_at_the_first_attempt(clip):
    rendering = rendering_of(done_video(clip))
    rendering.video.source_path.unlink()

    work_off()

    rendering.refresh_from_db()
    assert (rendering.state, rendering.error_code) == (State.FAILED, "file_gone")


def test_pictures_are_answered_while_a_video_is_detected(clip, monkeypatch, tmp_path):
    """The queue is fair: a picture waits for a few frames of the video, not for all."""
    video = queued_video(write_tomatoes(tmp_path / "long.mp4", 200).read_bytes())
    claimed = jobs.claim_next(Video)
    running = jobs.Running(claimed, run_detection)

    running.start()
    wait_until(lambda: bool(Video.objects.get().frames_detected))
    answered_at = [Video.objects.get().frames_detected]
    for _ in range(5):
        engine.detect(np.zeros((96, 96, 3), np.uint8), queue_key="somebody else")
        answered_at.append(Video.objects.get().frames_detected)
    running.thread.join(60)

    assert answered_at[-1] < 200
    assert_complete(video, 200)


def test_the_scheduler_starts_waiting_jobs_and_stops_cancelled_ones(clip, monkeypatch, settings):
    settings.LIMITS = {**settings.LIMITS, "video_jobs": 2}
    videos = [queued_video(clip) for _ in range(3)]
    started, release = [], threading.Event()

    def wait_for_stop(job, stop):
        started.append(job.pk)
        while not stop.is_set() and not release.is_set():
            time.sleep(0.01)

    monkeypatch.setattr(jobs, "KINDS", [("video_jobs", Video, wait_for_stop)])
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0)
    scheduler = jobs.Scheduler()
    try:
        scheduler.tick()
        scheduler.tick()
        wait_until(lambda: len(started) == 2)
        assert started == [video.pk for video in videos[:2]]

        videos[0].refresh_from_db()
        videos[0].cancel()
        wait_until(lambda: scheduler.tick() or len(started) == 3)
        assert started == [video.pk for video in videos]
    finally:
        release.set()


def test_a_heartbeat_keeps_a_slow_run_from_being_taken_over(clip):
    queued_video(clip)
    claimed = jobs.claim_next(Video)
    make_stale(claimed)

    jobs.Running(claimed, run_detection).send_heartbeat()

    assert jobs.claim_next(Video) is None


def waiting_task(started: list[Job], release: threading.Event) -> jobs.Task:
    """A task that begins an attempt, and does not care that it is to stop."""

    def wait(job: Job, stop: threading.Event) -> None:
        job.begin_attempt()
        started.append(job)
        release.wait(60)
        # As if a frozen process goes on.
        job.checkpoint(attempt=0)
        raise AssertionError("a run that was handed back may not write")

    return wait


def test_a_stopped_scheduler_hands_its_jobs_back_and_others_go_on_at_once(clip, monkeypatch):
    video = queued_video(clip)
    started: list[Job] = []
    release = threading.Event()
    monkeypatch.setattr(jobs, "KINDS", [("video_jobs", Video, waiting_task(started, release))])
    scheduler = jobs.Scheduler()
    scheduler.start()
    try:
        wait_until(lambda: bool(started))

        scheduler.stop()
        scheduler.join()

        video.refresh_from_db()
        assert (video.state, video.run_id, video.attempt) == (State.RUNNING, None, 0)
        assert video.worked_s < LEAST_RUN_S
        assert jobs.claim_next(Video) == video
    finally:
        release.set()
    with pytest.raises(RunLost):
        started[0].checkpoint()


def test_a_job_may_be_handed_back_any_number_of_times(clip):
    video = queued_video(clip)
    for _ in range(MAX_ATTEMPTS + 1):
        running = jobs.Running(jobs.claim_next(Video), run_detection)
        running.job.begin_attempt()
        running.hand_back()

    work_off()

    assert_complete(video, 20)


def rendering_of(video: Video, **options: object) -> Rendering:
    wanted = {
        "codec": "mjpg",
        "score_threshold": 0.25,
        "hidden_classes": [],
        "show_names": True,
        "show_scores": True,
    }
    return request_rendering(video, **{**wanted, **options})


def test_a_finished_video_is_rendered(clip, media):
    video = done_video(clip)

    rendering = rendering_of(video)
    work_off()

    rendering.refresh_from_db()
    assert (rendering.state, rendering.frames_done, rendering.error) == (State.DONE, 20, "")
    assert rendering.file.path.startswith(str(media))
    assert rendering.file.size > 0


def test_deleting_a_rendering_deletes_its_files(clip):
    rendering = rendering_of(done_video(clip))
    work_off()
    rendering.refresh_from_db()
    left = rendering.video.folder / "renderings" / f"{rendering.pk}.part.avi"
    left.write_bytes(b"half done")

    rendering.delete()

    assert list(rendering.folder.glob("*")) == []


def test_deleting_a_rendering_of_an_older_version_deletes_its_file(clip, media):
    rendering = rendering_of(done_video(clip))
    file = rendering.video.folder / "exports" / f"{rendering.pk}-{uuid.uuid4()}.avi"
    file.parent.mkdir()
    file.write_bytes(b"rendered")
    Rendering.objects.update(file=str(file.relative_to(media)))

    rendering.delete()

    assert not file.exists()


def test_a_rendering_deleted_while_it_is_rendered_leaves_no_file(clip, monkeypatch):
    video = done_video(clip)
    rendering_of(video)
    checkpoint = Rendering.checkpoint

    def deleted_soon(self, **fields):
        if "frames_done" in fields:
            Rendering.objects.all().delete()
        checkpoint(self, **fields)

    monkeypatch.setattr(Rendering, "checkpoint", deleted_soon)
    work_off()

    assert list((video.folder / "renderings").iterdir()) == []


def test_an_interrupted_rendering_is_retried_a_limited_number_of_times(clip):
    rendering = rendering_of(done_video(clip))
    crash(Rendering, 3)

    assert jobs.claim_next(Rendering) is None
    rendering.refresh_from_db()
    assert (rendering.state, rendering.error_code) == (State.FAILED, "interrupted")


def crash_at_frame(number: int, monkeypatch) -> None:
    """Simulate a run that draws and records the frames before ``number`` and then crashes."""
    claimed = jobs.claim_next(Rendering)
    assert claimed is not None
    draw, frames = video_rendering.draw_detections, itertools.count(1)

    def drawn(*arguments, **options):
        if next(frames) == number:
            raise KeyboardInterrupt
        return draw(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "PROGRESS_EVERY_S", 0)
        patched.setattr(video_rendering, "draw_detections", drawn)
        with pytest.raises(KeyboardInterrupt):
            jobs.run(claimed, tasks.run_rendering, threading.Event())
    make_stale(claimed)


def test_a_rendering_that_keeps_crashing_at_the_same_frame_fails(clip, monkeypatch):
    rendering = rendering_of(done_video(clip))
    crash_at_frame(7, monkeypatch)

    for _ in range(3):
        crash_at_frame(7, monkeypatch)

    assert jobs.claim_next(Rendering) is None
    rendering.refresh_from_db()
    assert (rendering.state, rendering.error_code) == (State.FAILED, "interrupted")
    assert rendering.frames_done == 6


def test_only_frames_beyond_the_furthest_run_reset_the_attempts_of_a_rendering(clip, monkeypatch):
    rendering = rendering_of(done_video(clip))
    attempts = []

    for number in (7, 5, 7, 8):
        crash_at_frame(number, monkeypatch)
        rendering.refresh_from_db()
        attempts.append((rendering.attempt, rendering.frames_done))

    # The second run crashed at a frame that had been drawn before, so it is not an attempt.
    assert attempts == [(0, 6), (0, 6), (1, 6), (0, 7)]
    work_off()
    rendering.refresh_from_db()
    assert (rendering.state, rendering.frames_done) == (State.DONE, 20)


def test_the_time_limit_also_ends_a_job_that_keeps_crashing(clip, settings):
    """Even if it makes a little progress each time."""
    settings.LIMITS = {**settings.LIMITS, "job_seconds_per_video_second": 0}
    rendering = rendering_of(done_video(clip))
    for _ in range(60):
        claimed = jobs.claim_next(Rendering)
        claimed.begin_attempt()
        claimed.checkpoint(frames_done=1, attempt=0)
        make_stale(claimed)

    assert jobs.claim_next(Rendering) is None
    rendering.refresh_from_db()
    assert (rendering.state, rendering.error_code) == (State.FAILED, "job_timeout")


def test_a_rendering_that_was_taken_over_leaves_the_other_runs_file_alone(clip, monkeypatch):
    rendering = rendering_of(done_video(clip))
    overtaken = jobs.claim_next(Rendering)

    def taken_over(source, target, *arguments, **options):
        monkeypatch.setattr(tasks, "render_video", render_video)
        part = target.with_name(f"{target.name}.part")
        part.parent.mkdir()
        part.touch()
        make_stale(overtaken)
        work_off()
        part.unlink(missing_ok=True)
        raise RunLost

    monkeypatch.setattr(tasks, "render_video", taken_over)
    jobs.run(overtaken, tasks.run_rendering, threading.Event())

    rendering.refresh_from_db()
    assert rendering.state == State.DONE
    assert [str(path) for path in rendering.folder.iterdir()] == [rendering.file.path]
    assert rendering.file.size == rendering.size_bytes


def test_a_completed_rendering_deletes_the_partial_files_of_dead_runs(clip):
    rendering = rendering_of(done_video(clip))
    rendering.folder.mkdir()
    (rendering.folder / f"{rendering.pk}-dead.avi.part").touch()

    work_off()

    rendering.refresh_from_db()
    assert [str(path) for path in rendering.folder.iterdir()] == [rendering.file.path]


def test_a_cancelled_video_is_rendered_up_to_its_last_detected_frame(clip, monkeypatch):
    video = queued_video(clip)
    cancel_during_detection(monkeypatch)
    video.refresh_from_db()
    assert (video.state, 0 < video.frames_detected < 20) == (State.CANCELLED, True)

    rendering = rendering_of(video)
    work_off()

    rendering.refresh_from_db()
    assert (rendering.state, rendering.frames_done) == (State.DONE, video.frames_detected)
    with VideoReader(Path(rendering.file.path)) as reader:
        assert len(list(reader)) == video.frames_detected


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLED])
def test_a_video_in_progress_or_without_results_cannot_be_rendered(clip, state):
    video = queued_video(clip, state=state, frames_detected=int(state != State.CANCELLED))

    with pytest.raises(NotFinished):
        rendering_of(video)


def test_owners_take_turns(clip):
    """Anna has sent five videos before Ben and a visitor send theirs."""
    anna, ben = (get_user_model().objects.create_user(name) for name in ("anna", "ben"))
    annas = [queued_video(clip, user=anna) for _ in range(5)]
    bens = [queued_video(clip, user=ben) for _ in range(2)]
    visitors = [queued_video(clip, session_key=key) for key in ("a", "b", "b")]

    began = []
    expected = [*Video.claimable()]
    while job := jobs.claim_next(Video):
        began.append(job)

    assert began == expected
    assert began == [
        *(annas[0], bens[0], visitors[0], visitors[1]),
        *(annas[1], bens[1], visitors[2]),
        *annas[2:],
    ]


def test_the_owner_served_least_recently_comes_first(clip):
    anna, ben = (get_user_model().objects.create_user(name) for name in ("anna", "ben"))
    for user in (ben, anna):
        queued_video(clip, user=user)
        jobs.claim_next(Video).end_run(State.DONE)
    annas, bens = queued_video(clip, user=anna), queued_video(clip, user=ben)

    assert [*Video.claimable()] == [bens, annas]


def test_a_dead_run_resumes_before_a_new_job_starts(clip):
    anna = get_user_model().objects.create_user("anna")
    first, _ = queued_video(clip, user=anna), queued_video(clip, session_key="a")
    make_stale(jobs.claim_next(Video))

    assert jobs.claim_next(Video) == first
    assert jobs.claim_next(Video).turn == 2


def test_owners_take_turns_with_renderings_too(clip):
    anna = get_user_model().objects.create_user("anna")
    annas, other = (
        queued_video(clip, state=State.DONE, frames_detected=1, **owner)
        for owner in ({"user": anna}, {"session_key": "a"})
    )
    first, second, third = rendering_of(annas), rendering_of(annas), rendering_of(other)

    assert [*Rendering.claimable()] == [first, third, second]


def test_a_queued_job_has_its_queue_position(clip):
    anna, ben = (get_user_model().objects.create_user(name) for name in ("anna", "ben"))
    annas = [queued_video(clip, user=anna) for _ in range(3)]
    bens = queued_video(clip, user=ben)
    jobs.claim_next(Video)

    told = VideoSerializer([*Video.objects.order_by("created_at")], many=True).data

    assert [video["id"] for video in told] == [str(video.pk) for video in (*annas, bens)]
    assert [video["queue_position"] for video in told] == [None, 2, 3, 1]


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=-1)])
def test_a_clock_change_leaves_no_job_stuck(clip, jump):
    """After the change, the heartbeat of a dead run is in the future or long ago."""
    video = queued_video(clip)
    jobs.claim_next(Video)
    assert jobs.claim_next(Video) is None

    Video.objects.update(heartbeat_at=timezone.now() + jump)

    assert jobs.claim_next(Video) == video


def test_a_job_beyond_its_time_limit_fails_and_frees_its_slot(clip, monkeypatch, settings):
    """Even if its thread does not stop."""
    settings.LIMITS = {**settings.LIMITS, "video_jobs": 1}
    hanging, next_one = queued_video(clip, duration_s=2), queued_video(clip)
    started, release = [], threading.Event()

    def hang(job, stop):
        started.append(job)
        release.wait(60)

    monkeypatch.setattr(jobs, "KINDS", [("video_jobs", Video, hang)])
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0)
    scheduler = jobs.Scheduler()
    try:
        scheduler.tick()
        scheduler.tick()
        assert hanging.limit_s == 600 + 2 * 120
        Video.objects.filter(pk=hanging.pk).update(worked_s=0)
        settings.LIMITS = {
            **settings.LIMITS,
            "job_seconds": 0,
            "job_seconds_per_video_second": 0,
        }
        wait_until(lambda: scheduler.tick() or Video.objects.get(pk=hanging.pk).error_code != "")
        settings.LIMITS = {**settings.LIMITS, "job_seconds": 600}
        wait_until(lambda: scheduler.tick() or started[1:] == [next_one])
    finally:
        release.set()

    hanging.refresh_from_db()
    assert (hanging.state, hanging.error_code) == (State.FAILED, "job_timeout")


def test_only_abandoned_uploads_are_deleted(clip, media):
    user = get_user_model().objects.create_user("owner")
    done, fresh, given_up = (
        queued_video(clip, user=user, state=state)
        for state in (State.DONE, State.UPLOADING, State.UPLOADING)
    )
    long_ago = timezone.now() - timedelta(hours=25)
    Video.objects.filter(pk__in=[given_up.pk, done.pk]).update(updated_at=long_ago)

    chunked_uploads.sweep()

    assert set(Video.objects.all()) == {done, fresh}
    folders = {path.name for path in (media / "detect_video").iterdir()}
    assert folders == {str(done.pk), str(fresh.pk)}


def test_videos_of_ended_sessions_are_deleted_whatever_their_age(clip):
    alive = SessionStore()
    alive.create()
    user = get_user_model().objects.create_user("owner")
    of_account, of_visitor, _ = (
        queued_video(clip, user=user),
        queued_video(clip, session_key=alive.session_key),
        queued_video(clip, session_key="over"),
    )
    Video.objects.filter(pk=of_visitor.pk).update(created_at=timezone.now() - timedelta(days=100))

    chunked_uploads.sweep()

    assert set(Video.objects.all()) == {of_account, of_visitor}


def test_a_truncated_file_is_detected_and_reported_as_truncated(tmp_path):
    options = {"movflags": "faststart"}
    whole = write_clip(tmp_path / "whole.mp4", frames=30, muxer_options=options).read_bytes()
    video = queued_video(whole[: len(whole) * 2 // 3])

    work_off()

    video.refresh_from_db()
    assert video.state == State.DONE
    assert 0 < video.frames_detected == video.frames.count() < 30
    assert "truncated" in video.truncated
