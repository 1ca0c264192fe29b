"""Works on what waits: a thread of the serving process claims rows and runs each in its own.

A process that dies leaves its rows without signs of life; whoever sees that goes on with them.
What went wrong with the server is tried again, at most ``MAX_ATTEMPTS`` times without getting any
further. What went wrong with the video would do so each time; the job fails at once.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.db import OperationalError, close_old_connections, connections

from detect_video import chunked_uploads
from detect_video.errors import RunLost
from detect_video.jobs.tasks import run_detection, run_rendering
from detect_video.models import MAX_ATTEMPTS, Job, Rendering, State, Video
from ml_core.errors import Busy, InferenceTimeout, ModelLoading, VisionError
from web.errors import StorageFull
from web.keeping.storage import FULL, as_vision_error, is_full, is_unusable, log_vision_error

logger = logging.getLogger(__name__)

TICK_S = 0.5
HEARTBEAT_S = 2
SWEEP_S = 3600
# After an error of the database, say, which will not be gone in the next moment.
PAUSE_S = 5

# Of the server at that moment; everything else is the video's fault or a fault of ours.
TRANSIENT = (
    OSError,
    MemoryError,
    OperationalError,
    Busy,
    ModelLoading,
    InferenceTimeout,
)

Work = Callable[[Any, Event], None]
# How many of them run at one time (a name in settings.LIMITS), and how.
KINDS: list[tuple[str, type[Job], Work]] = [
    ("video_jobs", Video, run_detection),
    ("export_jobs", Rendering, run_rendering),
]


def start_scheduler() -> None:
    """Begin to work on what waits, in the background, where ``settings.RUN_JOBS`` says so."""
    if settings.RUN_JOBS:
        Thread(target=Scheduler().run_forever, name="video-jobs", daemon=True).start()


def claim_next(kind: type[Job]) -> Job | None:
    """Begin a run of the next job of a kind that waits; None when there is none.

    One fails that was tried ``MAX_ATTEMPTS`` times and got no further, or has had its time.
    """
    for job in kind.claimable():
        if not job.claim():
            continue
        if job.attempt >= MAX_ATTEMPTS:
            fail(job, broke_off())
        elif job.worked_s > job.limit_s:
            fail(job, took_too_long(job))
        else:
            return job
    return None


def run(job: Job, work: Work, stop: Event) -> None:
    """Do the ``work`` on a claimed job, and note in its row how it ended."""
    try:
        work(job, stop)
    except RunLost:
        logger.info("%s %s was cancelled, taken over or cut off", type(job).__name__, job.pk)
    except Exception as exc:
        if is_full(exc):
            logger.warning("%s %s failed: disk full", type(job).__name__, job.pk)
            fail(job, StorageFull(FULL))
        elif isinstance(exc, TRANSIENT) or is_unusable(exc):
            # The row stays as it is: without signs of life it will be claimed again.
            logger.exception("%s %s broke off", type(job).__name__, job.pk)
        elif isinstance(exc, VisionError):
            logger.info("%s %s failed: %s", type(job).__name__, job.pk, exc.detail)
            fail(job, exc)
        else:
            logger.exception("%s %s failed", type(job).__name__, job.pk)
            detail = "Internal server error; see the server log."
            fail(job, VisionError(detail, code="server_error"))


def fail(job: Job, exc: VisionError) -> None:
    """End a run with what is to be told; not where it was ended already."""
    with suppress(RunLost):
        job.end_run(State.FAILED, error_code=exc.code, error=exc.detail)


def broke_off() -> VisionError:
    return VisionError(
        f"Processing was interrupted {MAX_ATTEMPTS} times in a row without progress; see the "
        f"server log. Try again.",
        code="interrupted",
    )


def took_too_long(job: Job) -> VisionError:
    return VisionError(
        f"Processing exceeded the time limit for a video of this length "
        f"({job.limit_s:,.0f} seconds). Try again when the server is less busy.",
        code="job_timeout",
    )


@dataclass
class Running:
    """A job under way in a thread of this process."""

    job: Job
    work: Work
    stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._worked_before_s = self.job.worked_s
        self._begun_s = time.monotonic()
        self._is_given_up = False

    def start(self) -> None:
        name = f"job-{self.job.pk}"
        self.thread = Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            run(self.job, self.work, self.stop)
        finally:
            connections.close_all()

    @property
    def is_over(self) -> bool:
        """Whether its place is free; what does not stop when it is told to does not keep it."""
        return self._is_given_up or not self.thread.is_alive()

    def give_sign_of_life(self) -> None:
        """Note that the run lives, and for how long; end it after the longest."""
        worked_s = self._worked_before_s + time.monotonic() - self._begun_s
        try:
            self.job.checkpoint(worked_s=worked_s)
        except RunLost:
            self.stop.set()
            return
        if worked_s > self.job.limit_s:
            self._is_given_up = True
            self.stop.set()
            fail(self.job, took_too_long(self.job))


class Scheduler:
    """Starts what waits as places become free."""

    def __init__(self) -> None:
        self._running: list[Running] = []
        self._heartbeat_due = self._sweep_due = 0.0

    def run_forever(self) -> None:
        while True:
            try:
                self.tick()
                time.sleep(TICK_S)
            except Exception as exc:
                if refusal := as_vision_error(exc):
                    log_vision_error(refusal, exc)
                else:
                    logger.exception("jobs cannot be started for now")
                time.sleep(PAUSE_S)
            finally:
                close_old_connections()

    def tick(self) -> None:
        """One look at everything."""
        now = time.monotonic()
        self._running = [running for running in self._running if not running.is_over]
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_S
            for running in self._running:
                running.give_sign_of_life()
        for limit, kind, work in KINDS:
            self._fill_places(settings.LIMITS[limit], kind, work)
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_S
            chunked_uploads.sweep()

    def _fill_places(self, places: int, kind: type[Job], work: Work) -> None:
        free = places - sum(isinstance(running.job, kind) for running in self._running)
        while free > 0 and (job := claim_next(kind)):
            running = Running(job, work)
            running.start()
            self._running.append(running)
            free -= 1
