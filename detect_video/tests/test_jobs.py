"""Detection and exports as jobs: kept results, cut off runs, and who may write."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from detect_video import jobs, pipeline, uploads
from detect_video.errors import RunLost
from detect_video.models import Export, FrameResult, State, Video
from detect_video.services import request_export, retry_video
from detect_video.tests.clips import write_clip
from detect_video.tests.conftest import cell_of, write_tomatoes
from detect_video.work import run_detection
from ml_core import engine
from ml_core.errors import Busy

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


def queued_video(data: bytes, **fields: object) -> Video:
    video = Video(name="clip.mp4", size_bytes=len(data), width=96, height=96, **fields)
    video.folder.mkdir(parents=True)
    video.source_path.write_bytes(data)
    video.file.name = f"detect_video/{video.pk}/source"
    video.save()
    return video


def work_off() -> None:
    """Run everything that waits, one after the other."""
    for _, kind, work in jobs.KINDS:
        while job := jobs.claim_next(kind):
            jobs.run(job, work, threading.Event())


def done_video(data: bytes) -> Video:
    video = queued_video(data)
    work_off()
    video.refresh_from_db()
    assert (video.state, video.error) == (State.DONE, "")
    return video


def boxes_of(frame: FrameResult) -> list[list[float]]:
    return [item["box"] for item in frame.detections]


def expected_box(frame_index: int) -> list[float]:
    column, row = cell_of(frame_index)
    return [column * 32, row * 32, column * 32 + 32, row * 32 + 32]


def assert_complete(video: Video, frames: int) -> None:
    """Every frame has exactly one result, its own."""
    video.refresh_from_db()
    kept = list(video.frames.order_by("frame_index"))
    assert (video.state, video.error) == (State.DONE, "")
    assert video.frames_detected == frames
    assert [frame.frame_index for frame in kept] == list(range(frames))
    assert [frame.pts_us for frame in kept] == [index * 100_000 for index in range(frames)]
    for frame in kept:
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


def test_a_run_that_died_is_gone_on_with_after_the_last_kept_frame(clip, monkeypatch):
    video = queued_video(clip)
    claimed = jobs.claim_next(Video)
    keep_frames = Video.keep_frames

    def die_after_seven(self, frames, **more):
        keep_frames(self, frames, **more)
        if self.frames_detected >= 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Video, "keep_frames", die_after_seven)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(claimed, run_detection, threading.Event())
    monkeypatch.undo()
    video.refresh_from_db()
    kept = video.frames_detected
    assert (video.state, 7 <= kept < 20) == (State.RUNNING, True)
    assert jobs.claim_next(Video) is None
    first_rows = list(video.frames.values_list("pk", flat=True))

    make_stale(video)
    work_off()

    assert_complete(video, 20)
    assert list(video.frames.order_by("frame_index").values_list("pk", flat=True))[:kept] == (
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
        first.keep_frames([row], detect_fps=1)
    with pytest.raises(RunLost):
        first.checkpoint()
    with pytest.raises(RunLost):
        first.end_run(State.DONE)

    assert not FrameResult.objects.exists()
    second.keep_frames([row], detect_fps=1)


def test_only_one_of_two_that_see_the_same_job_gets_it(clip):
    queued_video(clip)
    first, second = Video.objects.get(), Video.objects.get()

    assert first.claim()
    assert not second.claim()


def test_a_job_that_gets_no_further_fails_at_the_third_attempt(clip):
    video = queued_video(clip)
    for _ in range(2):
        assert jobs.claim_next(Video)
        make_stale(video)

    assert jobs.claim_next(Video) is None
    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "interrupted")

    retry_video(video)
    work_off()
    assert_complete(video, 20)


def test_new_frames_make_attempts_count_anew(clip):
    video = queued_video(clip)
    for index in range(5):
        claimed = jobs.claim_next(Video)
        row = FrameResult(video=claimed, frame_index=index, pts_us=index, detections=[])
        claimed.keep_frames([row], detect_fps=1)
        make_stale(video)

    assert jobs.claim_next(Video) is not None


def test_a_cancelled_video_keeps_what_was_found_and_can_be_gone_on_with(clip, monkeypatch):
    video = queued_video(clip)
    keep_frames = Video.keep_frames

    def cancelled_soon(self, frames, **more):
        keep_frames(self, frames, **more)
        Video.objects.get().cancel()

    monkeypatch.setattr(Video, "keep_frames", cancelled_soon)
    work_off()
    monkeypatch.undo()
    video.refresh_from_db()
    assert video.state == State.CANCELLED
    assert 0 < video.frames.count() == video.frames_detected < 20

    retry_video(video)
    work_off()

    assert_complete(video, 20)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.UPLOADING])
def test_what_is_not_under_way_is_not_cancelled(clip, state):
    video = queued_video(clip, state=state)

    video.cancel()

    assert video.state == state


def test_a_video_deleted_while_it_is_worked_on_stays_deleted(clip, monkeypatch, media):
    queued_video(clip)
    keep_frames = Video.keep_frames

    def deleted_soon(self, frames, **more):
        keep_frames(self, frames, **more)
        Video.objects.get().delete()

    monkeypatch.setattr(Video, "keep_frames", deleted_soon)
    work_off()

    assert not Video.objects.exists() and not FrameResult.objects.exists()
    assert list(media.rglob("source")) == []


def test_a_model_that_is_not_installed_fails_the_job_with_what_to_do(clip, no_detector):
    video = queued_video(clip)

    work_off()

    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "model_not_installed")
    assert "fetch_models" in video.error


def test_a_busy_model_is_waited_for(clip, monkeypatch):
    detect = engine.detect
    refusals = iter([True, True])

    def busy_at_first(*arguments, **options):
        if next(refusals, False):
            raise Busy("later")
        return detect(*arguments, **options)

    monkeypatch.setattr(engine, "detect", busy_at_first)
    monkeypatch.setattr(pipeline, "RETRY_AFTER_S", 0.01)

    done_video(clip)


def test_an_unexpected_error_leaves_the_job_to_the_next_attempt(clip, monkeypatch):
    video = queued_video(clip)
    monkeypatch.setattr(engine, "detect", lambda *_, **__: 1 / 0)
    work_off()
    monkeypatch.undo()
    video.refresh_from_db()
    assert video.state == State.RUNNING

    make_stale(video)
    work_off()

    assert_complete(video, 20)


def test_a_damaged_file_that_vanished_fails(clip):
    video = queued_video(b"no video")

    work_off()

    video.refresh_from_db()
    assert video.state == State.FAILED and video.error


def test_a_video_whose_file_is_gone_fails_at_the_first_attempt(clip):
    video = queued_video(clip)
    video.source_path.unlink()

    work_off()

    video.refresh_from_db()
    assert (video.state, video.error_code) == (State.FAILED, "file_gone")


def test_an_export_whose_video_is_gone_fails_at_the_first_attempt(clip):
    export = export_of(done_video(clip))
    export.video.source_path.unlink()

    work_off()

    export.refresh_from_db()
    assert (export.state, export.error_code) == (State.FAILED, "file_gone")


def test_pictures_are_answered_while_a_video_is_detected(clip, monkeypatch, tmp_path):
    """The queue serves its clients in turn: a picture waits for a few frames, not for all."""
    video = queued_video(write_tomatoes(tmp_path / "long.mp4", 200).read_bytes())
    claimed = jobs.claim_next(Video)
    running = jobs.Running(claimed, run_detection)

    running.start()
    while not Video.objects.get().frames_detected:
        time.sleep(0.01)
    answered_at = [Video.objects.get().frames_detected]
    for _ in range(5):
        engine.detect(np.zeros((96, 96, 3), np.uint8), client="somebody else")
        answered_at.append(Video.objects.get().frames_detected)
    running.thread.join(60)

    assert answered_at[-1] < 200
    assert_complete(video, 200)


def test_the_scheduler_runs_what_waits_and_stops_what_was_cancelled(clip, monkeypatch, settings):
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


def test_signs_of_life_keep_a_slow_run_from_being_taken_over(clip):
    queued_video(clip)
    claimed = jobs.claim_next(Video)
    make_stale(claimed)

    jobs.Running(claimed, run_detection).give_sign_of_life()

    assert jobs.claim_next(Video) is None


def export_of(video: Video, **options: object) -> Export:
    wanted = {
        "codec": "mjpg",
        "score_threshold": 0.25,
        "hidden_classes": [],
        "show_names": True,
        "show_scores": True,
    }
    return request_export(video, **{**wanted, **options})


def test_a_finished_video_is_rendered(clip, media):
    video = done_video(clip)

    export = export_of(video)
    work_off()

    export.refresh_from_db()
    assert (export.state, export.frames_done, export.error) == (State.DONE, 20, "")
    assert export.file.path.startswith(str(media))
    assert export.file.size > 0


def test_a_rendered_file_goes_with_its_export(clip):
    export = export_of(done_video(clip))
    work_off()
    export.refresh_from_db()
    left = export.video.folder / "exports" / f"{export.pk}.part.avi"
    left.write_bytes(b"half done")

    export.delete()

    assert list((export.video.folder / "exports").iterdir()) == []


def test_an_export_deleted_while_it_is_rendered_leaves_no_file(clip, monkeypatch):
    video = done_video(clip)
    export_of(video)
    checkpoint = Export.checkpoint

    def deleted_soon(self, **fields):
        Export.objects.all().delete()
        checkpoint(self, **fields)

    monkeypatch.setattr(Export, "checkpoint", deleted_soon)
    work_off()

    assert list((video.folder / "exports").iterdir()) == []


def test_an_interrupted_export_begins_again_but_not_for_ever(clip):
    video = done_video(clip)
    export = export_of(video)
    for _ in range(2):
        jobs.claim_next(Export).checkpoint(frames_done=5)
        make_stale(export)

    assert jobs.claim_next(Export) is None
    export.refresh_from_db()
    assert (export.state, export.error_code) == (State.FAILED, "interrupted")


def test_uploads_given_up_are_swept_and_others_stay(clip, media):
    user = get_user_model().objects.create_user("owner")
    done, fresh, given_up = (
        queued_video(clip, user=user, state=state)
        for state in (State.DONE, State.UPLOADING, State.UPLOADING)
    )
    long_ago = timezone.now() - timedelta(hours=25)
    Video.objects.filter(pk__in=[given_up.pk, done.pk]).update(updated_at=long_ago)

    uploads.sweep()

    assert set(Video.objects.all()) == {done, fresh}
    folders = {path.name for path in (media / "detect_video").iterdir()}
    assert folders == {str(done.pk), str(fresh.pk)}


def test_what_no_session_can_reach_any_more_is_swept_however_old_it_is(clip):
    alive = SessionStore()
    alive.create()
    user = get_user_model().objects.create_user("owner")
    kept, old, _ = (
        queued_video(clip, user=user),
        queued_video(clip, session_key=alive.session_key),
        queued_video(clip, session_key="over"),
    )
    Video.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=100))

    uploads.sweep()

    assert set(Video.objects.all()) == {kept, old}


def test_a_file_that_is_cut_off_is_done_and_says_so(tmp_path):
    options = {"movflags": "faststart"}
    whole = write_clip(tmp_path / "whole.mp4", frames=30, muxer_options=options).read_bytes()
    video = queued_video(whole[: len(whole) * 2 // 3])

    work_off()

    video.refresh_from_db()
    assert video.state == State.DONE
    assert 0 < video.frames_detected == video.frames.count() < 30
    assert "cut off" in video.truncated
