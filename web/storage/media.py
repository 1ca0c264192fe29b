"""Writes the files and rows of stored pictures."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import FileField, Model

from ml_core.pictures.images import picture_suffix
from web.storage.disk import check_room
from web.storage.owners import Owner, StoredPicture, discard_if_session_ended
from web.storage.quota import check_quota, quota_lock


@contextmanager
def files_of_new_row(row: Model) -> Iterator[None]:
    """Write the files of a row and then the row within this context; errors delete the files."""
    try:
        yield
    except Exception:
        for field in row._meta.get_fields():
            if isinstance(field, FileField) and (file := getattr(row, field.name)):
                file.delete(save=False)
        raise


def store_picture(row: StoredPicture, data: bytes, jpegs: dict[str, bytes], owner: Owner) -> None:
    """Save a new row with its picture's file and the JPEG files made from it, by field.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is stored.
    """
    row.user, row.session_key = owner.user, owner.session_key
    row.sha256 = hashlib.sha256(data).hexdigest()
    file = getattr(row, row.picture_field)
    with files_of_new_row(row):
        file.save(f"_.{picture_suffix(data)}", ContentFile(data), save=False)
        set_jpegs(row, data, jpegs)
        row.full_clean()
        # Parallel requests may have stored pictures since the quota was checked.
        with quota_lock():
            check_quota(owner, len(data))
            row.save()
    discard_if_session_ended(row)


def replace_result(
    row: StoredPicture, data: bytes, jpegs: dict[str, bytes], fields: dict[str, Any]
) -> Any:
    """Save a new result of the stored picture ``data``: its fields, and the JPEG files by field.

    Returns the saved row; the former JPEG files are deleted. Raises ``StorageFull``, and
    ``DoesNotExist`` if the row was deleted meanwhile; then nothing is changed.
    """
    check_room(sum(map(len, jpegs.values())))
    made: Any = type(row)()
    made.pk = row.pk
    with files_of_new_row(made):
        set_jpegs(made, data, jpegs)
        with transaction.atomic():
            # Read again, as a parallel request may have replaced the files or changed the owner.
            saved = type(row)._base_manager.select_for_update().get(pk=row.pk)
            fields = {**fields, "size_bytes": made.size_bytes}
            fields |= {field: getattr(made, field).name for field in jpegs}
            for field, value in fields.items():
                setattr(saved, field, value)
            saved.full_clean()
            saved.save(update_fields=list(fields))
    return saved


def set_jpegs(row: StoredPicture, data: bytes, jpegs: dict[str, bytes]) -> None:
    """Write the JPEG files made from the picture ``data``, by field, without saving the row."""
    for field, jpeg in jpegs.items():
        getattr(row, field).save("_", ContentFile(jpeg), save=False)
    row.size_bytes = len(data) + sum(map(len, jpegs.values()))
