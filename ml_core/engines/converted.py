"""Converted models in use, and the removal of stale ones.

A process that loads a converted model holds a lock file beside its folder as long as it uses it.
"""

import os
import re
import shutil
import time
from collections.abc import Container
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

# A model's name, and the hash of what it was converted from.
FOLDER_NAME = re.compile(r"(.+)-[0-9a-f]{16}")
LOCK_SUFFIX = ".used"
# Somebody may return to the model's former files on the same day.
STALE_SECONDS = 24 * 3600


def hold(folder: Path) -> FileLock | None:
    """Mark a converted model as used now and until the lock is released; None if read-only."""
    # Held by any thread, until the engine is freed.
    lock = FileLock(
        folder.with_name(f".{folder.name}.{uuid4().hex}{LOCK_SUFFIX}"), thread_local=False
    )
    try:
        os.utime(folder)
        lock.acquire(blocking=False)
    except OSError:
        return None
    return lock


def remove_stale(cache_dir: Path, names: Container[str]) -> None:
    """Delete converted models whose source files are gone or were replaced, a day after their use.

    ``names`` are the existing models. A model that any process uses stays.
    """
    used = _used_folders(cache_dir)
    folders = [path for path in cache_dir.iterdir() if FOLDER_NAME.fullmatch(path.name)]
    last_used_s = {folder: folder.stat().st_mtime for folder in folders}
    for folder in folders:
        name = _model_name(folder)
        versions = [last_used_s[path] for path in folders if _model_name(path) == name]
        is_current = name in names and last_used_s[folder] == max(versions)
        is_recent = last_used_s[folder] > time.time() - STALE_SECONDS
        if not (is_current or is_recent or folder.name in used):
            shutil.rmtree(folder, ignore_errors=True)


def _model_name(folder: Path) -> str:
    return folder.name[:-17]


def _used_folders(cache_dir: Path) -> set[str]:
    """The names of the folders in use; removes the lock files of processes that have ended."""
    used = set()
    for path in cache_dir.glob(f".*{LOCK_SUFFIX}"):
        lock = FileLock(path)
        try:
            with lock.acquire(blocking=False):
                pass
        except Timeout:
            used.add(path.name[1 : -len(LOCK_SUFFIX) - 33])
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return used
