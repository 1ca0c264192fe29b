"""A reserve file that is released on a full disk, as deleting rows needs free space, too."""

import os
import shutil
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import FileField, Model
from django.db.models.signals import pre_delete

from web.storage.disk import fsync_file

# Far more than the deletion of one row writes.
RESERVE_BYTES = 16 * 2**20


def connect() -> None:
    """Release the reserve before users or rows with files are deleted, if the disk is full."""
    for model in (get_user_model(), *apps.get_models()):
        if model is get_user_model() or _file_fields(model):
            pre_delete.connect(
                release_reserve, sender=model, dispatch_uid=f"reserve {model._meta.label}"
            )


def create_reserve() -> None:
    """Create the reserve file, unless it exists or the disk is nearly full."""
    path = _reserve_path()
    if path.exists() and path.stat().st_size == RESERVE_BYTES:
        return
    if _free_bytes() < RESERVE_BYTES + settings.LIMITS["free_bytes"]:
        return
    with path.open("wb") as file:
        # Random, as some file systems do not allocate blocks of zeros.
        file.write(os.urandom(RESERVE_BYTES))
        fsync_file(file)


def release_reserve(instance: Model, **_: Any) -> None:
    """On a full disk, delete the reserve, and the row's files before the row.

    Deleting the row of a long video may write as much to the journal as saving it did.
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
