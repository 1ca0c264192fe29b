"""Finds media that is too old, unreachable or incomplete, and leftovers of crashes."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from detect_video.models import Video
from model_library.models import ModelJob
from web.storage.disk import PART_SUFFIX, files_below, is_older
from web.storage.owners import Owned
from web.storage.quota import owned_models

# No write takes this long.
CRASHED_AFTER_S = 24 * 3600

Rows = QuerySet[Owned]


def too_old(days: int) -> Iterator[Rows]:
    """Media of all kinds that was stored more than ``days`` ago."""
    before = timezone.now() - timedelta(days=days)
    for model in owned_models():
        # All models have this field, though their abstract base has not.
        yield model.objects.filter(**{"created_at__lt": before})


def of_ended_sessions() -> Iterator[Rows]:
    """Media of sessions that have expired, which nobody can reach any more."""
    for model in owned_models():
        yield model.objects.of_ended_sessions()


def unfinished_uploads() -> Iterator[Rows]:
    """Videos whose upload never began, or was interrupted and not resumed."""
    yield Video.abandoned_uploads()


def left_model_jobs() -> QuerySet[ModelJob]:
    """Uploads of models that were not completed or not answered, and jobs that ended long ago."""
    return ModelJob.abandoned()


def expired_sessions() -> QuerySet[Session]:
    """Sessions that have expired."""
    return Session.objects.filter(expire_date__lt=timezone.now())


def crashed_writes() -> list[Path]:
    """Temporary files left by crashes, excluding uploads that can be resumed."""
    before = time.time() - CRASHED_AFTER_S
    videos = {str(pk) for pk in Video.objects.values_list("pk", flat=True)}
    media = [
        path
        for path in files_below(Path(settings.MEDIA_ROOT))
        # An upload can be resumed while its row exists.
        if path.suffix == PART_SUFFIX
        and not (path.name == Video.PART_NAME and path.parent.name in videos)
    ]
    requests = files_below(Path(settings.FILE_UPLOAD_TEMP_DIR))
    return [path for path in (*media, *requests) if is_older(path, before)]
