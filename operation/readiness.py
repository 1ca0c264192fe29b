"""What has to work before requests are sent here; asked every few seconds, so it is cheap."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import Error, connection

from ml_core import engine
from ml_core.errors import VisionError
from web.problem_texts import without_folders

logger = logging.getLogger(__name__)

OK = "ok"


def checks() -> dict[str, str]:
    """What was looked at, each "ok" or what is wrong with it, without names of the inside."""
    asked: dict[str, tuple[Callable[[], None], str]] = {
        "database": (_ask_database, "the database does not respond"),
        "media": (_write_media, "the media folder is not writable"),
        "disk": (_check_disk, "not enough free disk space for uploads"),
    }
    return {name: _outcome(*check) for name, check in asked.items()}


def default_models() -> dict[str, dict[str, str]]:
    """The default model of each task, and how far it is loaded or why there is none."""
    loaded = engine.loaded_models()
    models: dict[str, dict[str, str]] = {}
    for task in engine.TASKS:
        try:
            name = engine.default_model(task).name
            state = without_folders(loaded.get(name, "not loaded"))
            models[task] = {"model": name, "state": state}
        except VisionError as exc:
            models[task] = {"model": "", "state": without_folders(exc.detail)}
    return models


def free_bytes() -> int:
    """What is left of the disk that media lies on."""
    return shutil.disk_usage(_media_folder()).free


def _outcome(check: Callable[[], None], failure: str) -> str:
    try:
        check()
    except (Error, OSError) as exc:
        logger.warning("not ready: %s (%s)", failure, exc)
        return failure
    return OK


def _ask_database() -> None:
    with connection.cursor() as cursor:
        # A file that was removed is made anew, and answers whatever needs no table.
        cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")


def _write_media() -> None:
    with tempfile.TemporaryFile(dir=_media_folder()) as file:
        file.write(b"ready?")
        file.flush()


def _check_disk() -> None:
    free = free_bytes()
    if free < settings.LIMITS["free_bytes"]:
        raise OSError(f"{free:,} bytes are free")


def _media_folder() -> Path:
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
