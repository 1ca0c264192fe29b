"""Crash-safe file storage, and the errors of a disk or database that cannot be used."""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.db.utils import (
    DatabaseError,
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from ml_core.errors import VisionError
from web.errors import DatabaseBusy, StorageFull, StorageUnusable, ValueUnusable

# Suffix of files that are being written, by which leftovers of crashes are found.
PART_SUFFIX = ".part"
# File that marks a folder as deleted.
DELETED = ".deleted"
# The disk, the disk quota of the process's user, or the file size limit is used up.
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Read-only file system, missing permission, or I/O error.
UNUSABLE_ERRORS = (errno.EROFS, errno.EACCES, errno.EIO)
# Parts of SQLite's messages, and PostgreSQL's codes for the same errors.
DATABASE_FULL = "disk is full"
POSTGRES_DISK_FULL = "53100"
DATABASE_LOCKED = "database is locked"
# Serialization failure, deadlock, lock not available, too many connections.
POSTGRES_BUSY = ("40001", "40P01", "55P03", "53300")
# The pool has no connection to give: all are in use, or the database cannot be reached.
POOL_EXHAUSTED = "couldn't get a connection"
# Read-only transaction, transaction of a process that was frozen, and class XX: internal error or
# data corruption.
POSTGRES_UNUSABLE = ("25006", "25P03", "XX")
# SQLite creates a removed database file again, without tables.
TABLES_LOST = "no such table"
FULL = "The server's storage is full; nothing was stored. Try again later."
UNUSABLE = (
    "The server cannot use its storage. Contact the site administrator; /readyz has the details."
)
BUSY = "The database is busy. Try again in a moment."
UNSUITABLE = (
    "The request has a value that is too long or has characters that cannot be stored, such as "
    "NUL. Change it and try again."
)


class WholeFileStorage(FileSystemStorage):
    """Writes to a temporary file, calls fsync, and renames: files are complete or absent."""

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        with wrap_storage_full():
            try:
                self._write(target, content)
            except OSError:
                # A folder that was created for the file would stay behind empty.
                with suppress(OSError):
                    target.parent.rmdir()
                raise
        return str(target.relative_to(self.location)).replace("\\", "/")

    def delete(self, name: str) -> None:
        """Delete a file, and its folder if that held nothing else."""
        path = Path(self.path(name))
        delete_file(path)
        delete_empty_folder(path.parent, Path(self.location))

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


def check_room(more_bytes: int, folder: Path | None = None) -> None:
    """Raise ``StorageFull`` when ``more_bytes`` would leave less than ``LIMITS["free_bytes"]``.

    ``folder`` (``DATA_DIR`` by default) names the disk; it may not exist yet.
    On a completely full disk, the database could not even delete rows.
    """
    folder = folder or Path(settings.DATA_DIR)
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes - more_bytes < settings.LIMITS["free_bytes"]:
        raise StorageFull(
            f"The server has no space for {more_bytes:,} more bytes. Delete pictures or videos "
            f"that are no longer needed, or try again later."
        )


def files_below(folder: Path) -> list[Path]:
    """All files below ``folder``; any of them may be deleted concurrently."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def empty_folders_below(folder: Path) -> list[Path]:
    """The empty folders below ``folder``, except its direct children."""
    found = [Path(parent) for parent, folders, names in os.walk(folder) if not folders + names]
    return [path for path in found if path != folder and path.parent != folder]


def is_older(path: Path, moment: float) -> bool:
    """Whether ``path`` exists and was last modified before ``moment`` (seconds since the epoch)."""
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False


def delete_empty_folder(folder: Path, root: Path) -> bool:
    """Delete ``folder`` if it is empty and neither ``root`` nor a direct child of it.

    Other requests may be about to write to those.
    """
    if folder.parent in (root, *root.parents):
        return False
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def delete_orphan(path: Path) -> None:
    """Delete an orphaned file or empty folder, and parents that become empty."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        path = path.parent
    while delete_empty_folder(path, Path(settings.MEDIA_ROOT)):
        path = path.parent


def delete_file(path: Path) -> None:
    """Delete a file if it exists. On Windows an open one stays, until its folder is deleted."""
    with suppress(PermissionError):
        path.unlink(missing_ok=True)


def delete_folder(folder: Path) -> None:
    """Delete a folder with everything in it.

    Windows does not delete open files; then the folder is left to ``delete_marked_folders``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    # Nothing is left to mark, as a rule.
    with suppress(OSError):
        (folder / DELETED).touch()


def delete_marked_folders(parent: Path) -> None:
    """Delete what is left of the folders in ``parent`` that ``delete_folder`` could not delete."""
    for mark in parent.glob(f"*/{DELETED}"):
        delete_folder(mark.parent)


def fsync_file(file: IO[bytes]) -> None:
    """Flush ``file`` and wait until its content is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def is_full(exc: BaseException) -> bool:
    """Whether an error of the disk or the database means that there is no space left."""
    if isinstance(exc, OperationalError):
        sqlstate = getattr(exc.__cause__, "sqlstate", None)
        return DATABASE_FULL in str(exc) or sqlstate == POSTGRES_DISK_FULL
    return getattr(exc, "errno", None) in FULL_ERRORS


def is_unusable(exc: BaseException) -> bool:
    """Whether an error means that the disk or the database is unreachable, read-only or broken.

    Errors in our own SQL do not count, though SQLite raises ``OperationalError`` for them, too.
    """
    cause = exc.__cause__
    if isinstance(exc, InternalError):
        return (getattr(cause, "sqlstate", None) or "").startswith(POSTGRES_UNUSABLE)
    # For a damaged file SQLite raises the base class, which Django also raises without a cause.
    is_damaged = type(exc) is DatabaseError and isinstance(cause, sqlite3.DatabaseError)
    if is_damaged or isinstance(exc, (OperationalError, InterfaceError)):
        is_our_sql = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        return not is_our_sql or TABLES_LOST in str(exc)
    return getattr(exc, "errno", None) in UNUSABLE_ERRORS


def as_vision_error(exc: BaseException) -> VisionError | None:
    """The expected error that ``exc`` is or stands for; None for unexpected exceptions."""
    if isinstance(exc, VisionError):
        return exc
    if is_full(exc):
        return StorageFull(FULL)
    if isinstance(exc, OperationalError):
        sqlstate = getattr(exc.__cause__, "sqlstate", None)
        is_locked = DATABASE_LOCKED in str(exc) or POOL_EXHAUSTED in str(exc)
        if is_locked or sqlstate in POSTGRES_BUSY:
            return DatabaseBusy(BUSY)
    if isinstance(exc, DataError):
        return ValueUnusable(UNSUITABLE)
    return StorageUnusable(UNUSABLE) if is_unusable(exc) else None


@contextmanager
def wrap_storage_full() -> Iterator[None]:
    """Convert errors of a full disk or database to ``StorageFull``."""
    try:
        yield
    except Exception as exc:
        if is_full(exc):
            raise StorageFull(FULL) from exc
        raise


def make_folder(folder: Path) -> None:
    """Create a media folder with its parents, durably (they survive a power failure)."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS or 0o777, exist_ok=True)
    fsync_folder(folder.parent)


def durable_rename(part: Path, target: Path) -> None:
    """Rename a file that has been synced, durably (the name survives a power failure)."""
    os.replace(part, target)
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Sync the entries of ``folder``, without which a rename may be lost in a crash.

    Does nothing on Windows, which opens no folders.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
