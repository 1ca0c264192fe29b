"""Readiness checks; probes run them every few seconds, so they are cheap."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.errors import VisionError
from web.cache import is_failing
from web.problem_texts import without_folders

logger = logging.getLogger(__name__)

OK = "ok"
# The check whose failure does not make the site unready: requests go on without Redis.
CACHE = "cache"


def checks() -> dict[str, str]:
    """The result of each check: "ok" or a reason without internal details."""
    functions: dict[str, tuple[Callable[[], None], str]] = {
        "database": (_check_database, "the database does not respond"),
        "media": (_check_media, "the media folder is not writable"),
        "disk": (_check_disk, "not enough free disk space for uploads"),
    }
    if settings.REDIS_URL:
        functions[CACHE] = (_check_cache, "Redis does not respond, so throttles do not hold")
    return {name: _result(*check) for name, check in functions.items()}


def default_models() -> dict[str, dict[str, str]]:
    """The default model of each task with its loading state, or why there is none."""
    loaded = model_pool.loaded_models()
    models: dict[str, dict[str, str]] = {}
    for task in selection.TASKS:
        name = ""
        try:
            spec = selection.default_model(task)
            name = spec.name
            selection.check_installed(spec)
            state = loaded.get(name, "not loaded")
        except VisionError as exc:
            state = str(exc)
        models[task] = {"model": name, "state": without_folders(state)}
    return models


def free_bytes() -> int:
    """Free space on the disk of the media folder."""
    return shutil.disk_usage(_media_folder()).free


def _result(check: Callable[[], None], failure: str) -> str:
    try:
        check()
    except (Error, OSError) as exc:
        logger.warning("not ready: %s (%s)", failure, exc)
        return failure
    return OK


def _check_database() -> None:
    with connection.cursor() as cursor:
        # SQLite creates a removed database file again, so the query has to read a table.
        cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")


def _check_media() -> None:
    with tempfile.TemporaryFile(dir=_media_folder()) as file:
        file.write(b"ready?")
        file.flush()


def _check_disk() -> None:
    free = free_bytes()
    if free < settings.LIMITS["free_bytes"]:
        raise OSError(f"{free:,} bytes are free")


def _check_cache() -> None:
    cache.get("any")
    if is_failing():
        raise OSError("no response in time")


def _media_folder() -> Path:
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
