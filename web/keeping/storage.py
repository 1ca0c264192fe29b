"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.db.utils import DatabaseError, InterfaceError, InternalError, OperationalError

from ml_core.errors import VisionError
from web.errors import DatabaseBusy, StorageFull, StorageUnusable

logger = logging.getLogger(__name__)

# What a file is called while it is being written; leftovers of crashes are found by it.
PART_SUFFIX = ".part"
# No room on the disk, none left of what the user of this process may have, or a file's limit.
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Mounted read-only, somebody else's, or broken.
UNUSABLE_ERRORS = (errno.EROFS, errno.EACCES, errno.EIO)
# SQLite's words, and PostgreSQL's codes for the same.
DATABASE_FULL = "disk is full"
POSTGRES_DISK_FULL = "53100"
DATABASE_LOCKED = "database is locked"
# Deadlocks, and locks or transactions that others were faster with.
POSTGRES_BUSY = ("40001", "40P01", "55P03")
# A server that only reads, or whose own files are damaged.
POSTGRES_UNUSABLE = ("25006", "XX")
# A SQLite file that was removed is made anew, without any table.
TABLES_LOST = "no such table"
# How long the same refusal is not logged again, however many requests meet it.
LOG_AGAIN_S = 60
FULL = "The server's storage is full; nothing was kept. Try again later."
UNUSABLE = (
    "The server cannot use its storage. Contact the site administrator; /readyz has the details."
)
BUSY = "The database is busy. Try again in a moment."


class WholeFileStorage(FileSystemStorage):
    """Writes under a temporary name, forces the bytes to the disk, and only then renames."""

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        with wrap_storage_full():
            try:
                self._write(target, content)
            except OSError:
                # Nothing is left, not even the folder that was to hold the file.
                with suppress(OSError):
                    target.parent.rmdir()
                raise
        return str(target.relative_to(self.location)).replace("\\", "/")

    def delete(self, name: str) -> None:
        """Delete a file, and its folder if that held nothing else."""
        super().delete(name)
        delete_empty_folder(Path(self.path(name)).parent, Path(self.location))

    def _write(self, target: Path, content: File) -> None:
        make_folder(target.parent)
        handle, part = tempfile.mkstemp(PART_SUFFIX, ".", target.parent)
        try:
            with open(handle, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                fsync_file(file)
            if self.file_permissions_mode is not None:
                os.chmod(part, self.file_permissions_mode)
            durable_rename(Path(part), target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise


def check_room(more_bytes: int) -> None:
    """Raise ``StorageFull`` when ``more_bytes`` would leave less free than the site needs.

    On a disk that is full to the end, the database could not even forget what is deleted.
    """
    free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    if free_bytes - more_bytes < settings.LIMITS["free_bytes"]:
        raise StorageFull(
            f"The server has no space for {more_bytes:,} more bytes. Delete pictures or videos "
            f"that are no longer needed, or try again later."
        )


def files_below(folder: Path) -> list[Path]:
    """Every file in ``folder`` and its folders, any of which may vanish meanwhile."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def empty_folders_below(folder: Path) -> list[Path]:
    """The folders that hold nothing, but for those right in ``folder``."""
    found = [Path(parent) for parent, folders, names in os.walk(folder) if not folders + names]
    return [path for path in found if path != folder and path.parent != folder]


def is_older(path: Path, moment: float) -> bool:
    """Whether ``path`` was last written before ``moment`` (s since the epoch), and still is there.

    A folder is written when something is put into it or taken out of it.
    """
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False


def delete_empty_folder(folder: Path, root: Path) -> bool:
    """Delete ``folder`` if it is empty; ``root`` and what lies right in it stays.

    Something may be put into those at any moment.
    """
    if folder.parent in (root, *root.parents):
        return False
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def delete_orphan(path: Path) -> None:
    """Delete a file or an empty folder that belongs to nothing, and the folders left empty."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        path = path.parent
    while delete_empty_folder(path, Path(settings.MEDIA_ROOT)):
        path = path.parent


def fsync_file(file: IO[bytes]) -> None:
    """Return once everything written to ``file`` lies on the disk."""
    file.flush()
    os.fsync(file.fileno())


def is_full(exc: BaseException) -> bool:
    """Whether an error of the disk or the database says that there is no room left."""
    if isinstance(exc, OperationalError):
        sqlstate = getattr(exc.__cause__, "sqlstate", None)
        return DATABASE_FULL in str(exc) or sqlstate == POSTGRES_DISK_FULL
    return getattr(exc, "errno", None) in FULL_ERRORS


def is_unusable(exc: BaseException) -> bool:
    """Whether the disk or the database cannot be reached, read or written at all.

    Not what a mistake in our SQL raises: SQLite calls that an ``OperationalError`` as well.
    """
    cause = exc.__cause__
    if isinstance(exc, InternalError):
        return (getattr(cause, "sqlstate", None) or "").startswith(POSTGRES_UNUSABLE)
    # A damaged file is a plain ``DatabaseError`` of SQLite; Django raises such of its own.
    is_damaged = type(exc) is DatabaseError and isinstance(cause, sqlite3.DatabaseError)
    if is_damaged or isinstance(exc, (OperationalError, InterfaceError)):
        is_our_sql = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        return not is_our_sql or TABLES_LOST in str(exc)
    return getattr(exc, "errno", None) in UNUSABLE_ERRORS


def as_vision_error(exc: BaseException) -> VisionError | None:
    """What the disk or the database refused, as a problem; None for any other failure."""
    if isinstance(exc, VisionError):
        return exc
    if is_full(exc):
        return StorageFull(FULL)
    if isinstance(exc, OperationalError):
        sqlstate = getattr(exc.__cause__, "sqlstate", None)
        if DATABASE_LOCKED in str(exc) or sqlstate in POSTGRES_BUSY:
            return DatabaseBusy(BUSY)
    return StorageUnusable(UNUSABLE) if is_unusable(exc) else None


_logged_at: dict[str, float] = {}


def log_vision_error(refusal: VisionError, cause: BaseException) -> None:
    """Log a refusal with its cause; those of the disk and the database once a minute each."""
    if refusal is cause:
        logger.warning("%s: %s", refusal.code, refusal.detail)
        return
    now = time.monotonic()
    if now - _logged_at.get(refusal.code, -LOG_AGAIN_S) >= LOG_AGAIN_S:
        _logged_at[refusal.code] = now
        logger.warning("%s: %s (%s)", refusal.code, refusal.detail, cause)


@contextmanager
def wrap_storage_full() -> Iterator[None]:
    """Raise ``StorageFull`` in place of what the disk or the database says when it is full."""
    try:
        yield
    except Exception as exc:
        if is_full(exc):
            raise StorageFull(FULL) from exc
        raise


def make_folder(folder: Path) -> None:
    """Make a folder for media, with those above it, so that they are there after a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS or 0o777, exist_ok=True)
    fsync_folder(folder.parent)


def durable_rename(part: Path, target: Path) -> None:
    """Give a file whose bytes lie on the disk its name, so that it has it after a power cut."""
    os.replace(part, target)
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last: after a crash names are what was written of them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
