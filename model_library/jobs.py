"""Runs jobs in threads of the process that received the request; the row tells all others.

A run that dies with its process is not resumed: the page says so, and the staff starts it again.
The uploaded files stay, unless they can never be used.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext_noop

from ml_core.catalog.formats import ModelFileError
from ml_core.errors import VisionError
from ml_core.inspection.adding import remove_unfinished
from ml_core.networks.loading import NETWORK_ERRORS
from ml_core.pictures.labelled_pictures import LabelError
from ml_core.training.classification.data import DatasetError
from model_library.errors import JobRunning, ModelRefused
from model_library.fields import ANSWERS
from model_library.models import Kind, ModelJob, State
from web.problem_texts import without_folders
from web.storage.disk import as_vision_error, delete_folder, is_older

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1
# Deleting takes less.
LEFTOVER_S = 24 * 3600
UNDER_WAY = "This is under way already. Wait until it has ended, or cancel it."
INTERRUPTED = gettext_noop("The server was stopped meanwhile. Start it again.")
# An option of ``add_model``, which would cure it.
OPTION = re.compile(r"--[a-z]+")
# What is wrong with uploaded files; anything else is an error of the server.
REFUSALS = (ModelFileError, LabelError, DatasetError, *NETWORK_ERRORS)


class RunLost(Exception):
    """The job was cancelled, or taken over; nothing more must be stored."""


class Run:
    """A run of a job: its tasks report progress to it, and end with ``RunLost``."""

    def __init__(self, job: ModelJob) -> None:
        self.job = job
        self._done, self._total = 0, 0
        self._lost = Event()
        self._ended = Event()

    def report(self, done: int, total: int) -> None:
        """Note the progress. Raises ``RunLost`` once the job was cancelled."""
        self._done, self._total = done, total
        self.check()

    def check(self) -> None:
        """Raise ``RunLost`` once the job was cancelled."""
        if self._lost.is_set():
            raise RunLost

    def end(self, state: State, **fields: Any) -> None:
        """Store how the job ended, and its last progress. Raises ``RunLost`` if cancelled."""
        progress = {"done": self._done, "total": self._total}
        ended = {"state": state, "run_id": None, "updated_at": timezone.now()}
        if not self._update(**progress, **ended, **fields):
            raise RunLost

    def send_heartbeats(self) -> None:
        """Store the progress each second, and notice when the job was cancelled."""
        try:
            while not self._ended.wait(HEARTBEAT_S):
                try:
                    if not self._update(done=self._done, total=self._total):
                        self._lost.set()
                        return
                except DatabaseError:
                    logger.exception("the progress of %s cannot be stored", self.job.pk)
        finally:
            connections.close_all()

    def stop_heartbeats(self) -> None:
        self._ended.set()

    def _update(self, **fields: Any) -> bool:
        mine = ModelJob.objects.filter(pk=self.job.pk, run_id=self.job.run_id)
        return bool(mine.update(heartbeat_at=Now(), **fields))


Task = Callable[[Run], None]


def start(job: ModelJob, task: Task) -> None:
    """Run ``task`` in the background. Raises ``JobRunning`` if the job runs already."""
    claim(job)
    Thread(target=_work, args=(job, task), name=f"model-job-{job.pk}", daemon=True).start()


def create(job: ModelJob) -> None:
    """Save a new job in place of former ones of its kind and model, which have ended.

    Raises ``JobRunning`` if there is one that has not.
    """
    fail_interrupted()
    with transaction.atomic():
        same = ModelJob.objects.filter(kind=job.kind, model=job.model)
        if job.kind == Kind.ADD:
            # Those of colleagues are about other models.
            same = same.filter(user=job.user)
        if job.model and same.filter(state=State.RUNNING).exists():
            raise JobRunning(UNDER_WAY)
        same.filter(state__in=(State.NEW, State.FAILED, State.DONE)).delete()
        job.full_clean()
        job.save()


def claim(job: ModelJob) -> None:
    """Begin a run of ``job``. Raises ``JobRunning`` if there is one already."""
    fail_interrupted()
    idle = ModelJob.objects.filter(pk=job.pk).exclude(state=State.RUNNING)
    run = {"state": State.RUNNING, "run_id": uuid.uuid4(), "heartbeat_at": Now()}
    if not idle.update(done=0, total=0, error_code="", error="", answers=job.answers, **run):
        raise JobRunning(UNDER_WAY)
    job.refresh_from_db()


def _work(job: ModelJob, task: Task) -> None:
    """Run ``task`` on a claimed job, and store how it ended."""
    run = Run(job)
    Thread(target=run.send_heartbeats, daemon=True).start()
    try:
        task(run)
    except RunLost:
        logger.info("%s was cancelled", job)
    except Exception as exc:
        _fail(run, exc)
    finally:
        run.stop_heartbeats()
        # Also what a task wrote after the row was deleted.
        if not ModelJob.objects.filter(pk=job.pk).exists():
            delete_folder(job.folder)
        connections.close_all()


def fail_interrupted() -> None:
    """End the jobs whose process has died; what was understood before can still be added."""
    interrupted = ModelJob.interrupted()
    # Looked for first: an UPDATE of nothing would wait for others that write.
    if not interrupted.exists():
        return
    ended = {
        "run_id": None,
        "error_code": "job_interrupted",
        "error": INTERRUPTED,
        "updated_at": Now(),
    }
    understood = interrupted.filter(kind=Kind.ADD).exclude(result={})
    understood.update(state=State.UNDERSTOOD, **ended)
    interrupted.update(state=State.FAILED, **ended)


def sweep() -> None:
    """Delete abandoned jobs with their uploads, and folders that have lost their row."""
    fail_interrupted()
    with transaction.atomic():
        ModelJob.abandoned().delete()
    # In this order: a folder is younger than its row.
    folders = [*ModelJob.root().glob("*")]
    known = {str(pk) for pk in ModelJob.objects.values_list("pk", flat=True)}
    for folder in folders:
        if folder.name not in known:
            delete_folder(folder)
    remove_unfinished(settings.MODEL_DIR)
    # What a process left that was killed while it deleted a model.
    before = time.time() - LEFTOVER_S
    for folder in settings.MODEL_DIR.glob(".deleted-*"):
        if is_older(folder, before):
            delete_folder(folder)


def _fail(run: Run, exc: Exception) -> None:
    """Store why a run failed. Files that can never be used are deleted from the disk at once."""
    job = run.job
    error = as_vision_error(exc)
    is_final = False
    if error is None and isinstance(exc, REFUSALS):
        error = ModelRefused(shown_refusal(exc, job))
        # Other answers may be accepted.
        is_final = not (job.answers or OPTION.search(str(exc)))
    if error is None:
        logger.exception("%s failed", job, exc_info=exc)
        error = VisionError("Internal server error; see the server log.", code="server_error")
    else:
        logger.info("%s failed: %s", job, error.detail)
    # An error in the answers to a model that was understood is no reason to upload it again.
    state = State.UNDERSTOOD if job.result and job.paths else State.FAILED
    if state == State.FAILED and is_final:
        # Before the job has ended, so that nothing is left when that is seen.
        delete_folder(job.folder)
    with suppress(RunLost):
        run.end(state, error_code=error.code, error=error.detail)


def shown_refusal(exc: Exception, job: ModelJob) -> str:
    """A refusal for the page: without folders, and with its fields instead of options."""
    text = " ".join(str(exc).split()) or repr(exc)
    text = re.sub(re.escape(str(job.folder)) + r"[/\\](\w+[/\\])*", "", text)
    text = without_folders(text)
    # English, as the rest of the text.
    with translation.override("en"):
        for field in ANSWERS:
            shown = f"the field “{field.label}”"
            text = re.sub(rf"with --{field.name}\b(?: FILE)?", f"in {shown}", text)
            text = re.sub(rf"--{field.name}\b", shown, text)
    return text
