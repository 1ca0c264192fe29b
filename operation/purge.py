"""Deletes what nobody needs any more: what is too old, belongs to nobody, or never got finished."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from detect_video.models import Video
from detect_video.uploads import given_up
from web.keeping.owners import Owned
from web.keeping.quota import owned_models
from web.keeping.storage import PART_SUFFIX, files_below, is_older

# Nothing takes so long to be written that is written at all.
CRASHED_AFTER_S = 24 * 3600

Rows = QuerySet[Owned]


def too_old(days: int) -> Iterator[Rows]:
    """What was kept more than ``days`` ago, of every kind of media."""
    before = timezone.now() - timedelta(days=days)
    for model in owned_models():
        # Each kind has that field, though their common ancestor has not.
        yield model.objects.filter(**{"created_at__lt": before})


def of_ended_sessions() -> Iterator[Rows]:
    """What visitors kept whose session is over, so that nobody can ever see it again."""
    for model in owned_models():
        yield model.objects.of_ended_sessions()


def unfinished_uploads() -> Iterator[Rows]:
    """Videos whose upload never began, or broke off and was not gone on with."""
    yield Video.objects.filter(given_up())


def expired_sessions() -> QuerySet[Session]:
    """Sessions that cannot be used any more."""
    return Session.objects.filter(expire_date__lt=timezone.now())


def crashed_writes() -> list[Path]:
    """Temporary files of writes that a crash cut off; uploads under way are none of them."""
    before = time.time() - CRASHED_AFTER_S
    videos = {str(pk) for pk in Video.objects.values_list("pk", flat=True)}
    media = [
        path
        for path in files_below(Path(settings.MEDIA_ROOT))
        # The upload of a video goes on where it stopped, for as long as there is its row.
        if path.suffix == PART_SUFFIX
        and not (path.name == Video.PART_NAME and path.parent.name in videos)
    ]
    requests = files_below(Path(settings.FILE_UPLOAD_TEMP_DIR))
    return [path for path in (*media, *requests) if is_older(path, before)]
