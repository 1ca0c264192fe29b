"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.db.utils import OperationalError

from ml_core.errors import DatabaseBusy, StorageFull, StorageUnusable, VisionError

# What a file is called while it is being written; leftovers of crashes are found by it.
PART_SUFFIX = ".part"
# No room on the disk, none left of what the user of this process may have, or a file's limit.
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Mounted read-only, somebody else's, or broken.
UNUSABLE_ERRORS = (errno.EROFS, errno.EACCES, errno.EIO)
# SQLite's words, and PostgreSQL's code for the same.
DATABASE_FULL = "disk is full"
POSTGRES_DISK_FULL = "53100"
DATABASE_READ_ONLY = "readonly database"
FULL = "The server's storage is full; nothing was kept. Try again later."
UNUSABLE = "The server cannot use its storage. Its administrator has to look: /readyz says more."
BUSY = "The database is busy. Try again in a moment."


class WholeFileStorage(FileSystemStorage):
    """Writes under a temporary name, forces the bytes to the disk, and only then renames."""

    def _save(self, name: str, content: File) -> str:
        target = Path(self.path(name))
        with storage_full_told():
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
                force_to_disk(file)
            if self.file_permissions_mode is not None:
                os.chmod(part, self.file_permissions_mode)
            rename_for_good(Path(part), target)
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
            f"The server has no room for {more_bytes:,} more bytes. Delete pictures or videos that "
            "are not needed any more, or try again later."
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


def delete_left_over(path: Path) -> None:
    """Delete a file or an empty folder that belongs to nothing, and the folders left empty."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        path = path.parent
    while delete_empty_folder(path, Path(settings.MEDIA_ROOT)):
        path = path.parent


def force_to_disk(file: IO[bytes]) -> None:
    """Return once everything written to ``file`` lies on the disk."""
    file.flush()
    os.fsync(file.fileno())


def is_full(exc: BaseException) -> bool:
    """Whether an error of the disk or the database says that there is no room left."""
    if isinstance(exc, OperationalError):
        sqlstate = getattr(exc.__cause__, "sqlstate", None)
        return DATABASE_FULL in str(exc) or sqlstate == POSTGRES_DISK_FULL
    return getattr(exc, "errno", None) in FULL_ERRORS


def refusal_of(exc: BaseException) -> VisionError | None:
    """What the disk or the database refused, as a problem; None for any other failure."""
    if isinstance(exc, VisionError):
        return exc
    if is_full(exc):
        return StorageFull(FULL)
    if isinstance(exc, OperationalError):
        if "database is locked" in str(exc):
            return DatabaseBusy(BUSY)
        return StorageUnusable(UNUSABLE) if DATABASE_READ_ONLY in str(exc) else None
    return StorageUnusable(UNUSABLE) if getattr(exc, "errno", None) in UNUSABLE_ERRORS else None


@contextmanager
def storage_full_told() -> Iterator[None]:
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
    force_names_to_disk(folder.parent)


def rename_for_good(part: Path, target: Path) -> None:
    """Give a file whose bytes lie on the disk its name, so that it has it after a power cut."""
    os.replace(part, target)
    force_names_to_disk(target.parent)


def force_names_to_disk(folder: Path) -> None:
    """Make a rename in ``folder`` last: after a crash names are what was written of them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
