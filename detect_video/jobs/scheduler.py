"""Runs queued jobs: a thread of a process claims rows and runs each job in a thread of its own.

A process that is stopped hands its jobs back, and another worker goes on with them at once. When a
process dies, the heartbeat of its jobs stops, and they are claimed once it is stale.
Transient server errors are retried, at most ``MAX_ATTEMPTS`` times without progress. Errors caused
by the video would occur on every attempt, so the job fails at once.
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
from detect_video.models import LEAST_RUN_S, MAX_ATTEMPTS, Job, Rendering, Video, failure
from ml_core.errors import Busy, InferenceTimeout, VisionError
from web.errors import StorageFull, log_vision_error
from web.storage.disk import FULL, as_vision_error, is_full, is_unusable

logger = logging.getLogger(__name__)

TICK_S = 0.5
HEARTBEAT_S = 2
SWEEP_S = 3600
# Pause after an unexpected error, such as a database failure.
PAUSE_S = 5

# Server conditions worth a retry; anything else is caused by the video or by a bug.
TRANSIENT = (
    OSError,
    MemoryError,
    OperationalError,
    Busy,
    InferenceTimeout,
)

Task = Callable[[Any, Event], None]
# The limit of concurrent jobs (a name in settings.LIMITS), the model and its task.
KINDS: list[tuple[str, type[Job], Task]] = [
    ("video_jobs", Video, run_detection),
    ("rendering_jobs", Rendering, run_rendering),
]


def claim_next(kind: type[Job]) -> Job | None:
    """Claim the next waiting job of a kind; None if there is none.

    Jobs that have used up their attempts or their time limit fail instead.
    """
    for job in kind.claimable():
        if not job.claim():
            continue
        if job.attempt >= MAX_ATTEMPTS:
            fail(job, interrupted())
        elif job.worked_s > job.limit_s:
            fail(job, took_too_long(job))
        else:
            return job
    return None


def run(job: Job, task: Task, stop: Event) -> None:
    """Run ``task`` on a claimed job and record its outcome in the row."""
    try:
        task(job, stop)
    except RunLost:
        logger.info("%s %s was cancelled, taken over or cut off", type(job).__name__, job.pk)
    except Exception as exc:
        if is_full(exc):
            logger.warning("%s %s failed: disk full", type(job).__name__, job.pk)
            fail(job, StorageFull(FULL))
        elif isinstance(exc, TRANSIENT) or is_unusable(exc):
            # Left as running: the job is claimed again once its heartbeat is stale.
            logger.exception("%s %s was interrupted", type(job).__name__, job.pk)
        elif isinstance(exc, VisionError):
            logger.info("%s %s failed: %s", type(job).__name__, job.pk, exc)
            fail(job, exc)
        else:
            logger.exception("%s %s failed", type(job).__name__, job.pk)
            detail = "Internal server error; see the server log."
            fail(job, VisionError(detail, code="server_error"))


def fail(job: Job, exc: VisionError) -> None:
    """End a run as failed, unless it has already been ended."""
    with suppress(RunLost):
        job.end_run(**failure(exc))


def interrupted() -> VisionError:
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
    """A job running in a thread of this process."""

    job: Job
    task: Task
    stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._worked_before_s = self.job.worked_s
        self._attempt_before = self.job.attempt
        self._started_s = self._seen_s = time.monotonic()
        self._has_timed_out = False

    def start(self) -> None:
        name = f"job-{self.job.pk}"
        self.thread = Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            run(self.job, self.task, self.stop)
        finally:
            connections.close_all()

    @property
    def is_over(self) -> bool:
        """Whether its slot is free: also when the job timed out and its thread does not stop."""
        return self._has_timed_out or not self.thread.is_alive()

    def send_heartbeat(self) -> None:
        """Write a heartbeat with the working time; fail the job beyond its time limit."""
        now = time.monotonic()
        if self.job.is_waiting:
            # Waiting is no work: it counts as if the run had started later.
            self._started_s += now - self._seen_s
        self._seen_s = now
        worked_s = self._worked_s
        try:
            self.job.checkpoint(worked_s=worked_s)
        except RunLost:
            self.stop.set()
            return
        if worked_s > self.job.limit_s:
            self._has_timed_out = True
            self.stop.set()
            fail(self.job, took_too_long(self.job))

    def hand_back(self) -> None:
        """Leave the job to another worker. The thread ends at its next checkpoint."""
        self.stop.set()
        # Progress resets the attempts. Being stopped is no attempt, and no crash.
        attempt = min(self.job.attempt, self._attempt_before)
        with suppress(RunLost):
            self.job.hand_back(attempt=attempt, worked_s=self._worked_s - LEAST_RUN_S)
            logger.info("%s %s is handed back", type(self.job).__name__, self.job.pk)

    @property
    def _worked_s(self) -> float:
        return self._worked_before_s + time.monotonic() - self._started_s


class Scheduler:
    """Starts waiting jobs as slots become free, until it is stopped."""

    def __init__(self) -> None:
        self._running: list[Running] = []
        self._heartbeat_due = self._sweep_due = 0.0
        self._stopping = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = Thread(target=self.run, name="video-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin to hand all jobs back; a handler of signals in the main thread may call this."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the thread, if any, has ended: ``stop`` may be called meanwhile."""
        while self._thread and self._thread.is_alive():
            # With a timeout, as Windows delivers no Ctrl-C otherwise.
            self._thread.join(TICK_S)

    def run(self) -> None:
        """Work until ``stop``; then hand back what is running."""
        while not self._stopping.is_set():
            pause_s = TICK_S if self._attempt(self.tick) else PAUSE_S
            self._stopping.wait(pause_s)
        for running in self._running:
            self._attempt(running.hand_back)

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Whether ``step`` succeeded; otherwise the log says why not."""
        try:
            step()
        except Exception as exc:
            if refusal := as_vision_error(exc):
                log_vision_error(refusal, exc)
            else:
                logger.exception("the jobs cannot be looked after for now")
            return False
        finally:
            close_old_connections()
        return True

    def tick(self) -> None:
        """Send heartbeats, start waiting jobs and clean up, whichever is due."""
        now = time.monotonic()
        self._running = [running for running in self._running if not running.is_over]
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_S
            for running in self._running:
                running.send_heartbeat()
        for limit, kind, task in KINDS:
            self._fill_slots(settings.LIMITS[limit], kind, task)
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_S
            chunked_uploads.sweep()

    def _fill_slots(self, slots: int, kind: type[Job], task: Task) -> None:
        free = slots - sum(isinstance(running.job, kind) for running in self._running)
        while free > 0 and (job := claim_next(kind)):
            running = Running(job, task)
            running.start()
            self._running.append(running)
            free -= 1


# The scheduler of this process; see ``settings.RUN_JOBS``.
scheduler = Scheduler()
