"""Room for deleting: a database needs some to forget, and on a full disk there is none."""

import os
import shutil
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import FileField, Model
from django.db.models.signals import pre_delete

from web.keeping.storage import fsync_file

# Far more than it takes to forget a row that stands for files.
RESERVE_BYTES = 16 * 2**20


def connect() -> None:
    """Make room before anything is deleted that users keep, whoever deletes it."""
    for model in (get_user_model(), *apps.get_models()):
        if model is get_user_model() or _file_fields(model):
            pre_delete.connect(make_room, sender=model, dispatch_uid=f"room {model._meta.label}")


def create_reserve() -> None:
    """Take ``RESERVE_BYTES`` of the disk, to be given up for deleting; not of a full one."""
    path = _reserve_path()
    if path.exists() and path.stat().st_size == RESERVE_BYTES:
        return
    if _free_bytes() < RESERVE_BYTES + settings.LIMITS["free_bytes"]:
        return
    with path.open("wb") as file:
        # Not zeros, which some file systems do not store.
        file.write(os.urandom(RESERVE_BYTES))
        fsync_file(file)


def make_room(instance: Model, **_: Any) -> None:
    """On a full disk, give up the reserve, and delete the row's files before the row.

    What was found in a long video takes as much again to be forgotten as it took to be kept.
    """
    if _free_bytes() >= RESERVE_BYTES:
        return
    _reserve_path().unlink(missing_ok=True)
    for field in _file_fields(type(instance)):
        file = getattr(instance, field.name)
        if file:
            file.storage.delete(file.name)


def _file_fields(model: type[Model]) -> list[FileField]:
    return [field for field in model._meta.get_fields() if isinstance(field, FileField)]


def _reserve_path() -> Path:
    return Path(settings.DATA_DIR) / "reserve"


def _free_bytes() -> int:
    return shutil.disk_usage(settings.DATA_DIR).free
