"""Locks between processes, which the operating system releases when a process dies."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock


@contextmanager
def short_lock(path: Path, *, timeout_s: float = 0) -> Iterator[None]:
    """Hold the lock file ``path``, which is deleted at the end.

    Raises ``filelock.Timeout`` if another process or thread holds it for longer than ``timeout_s``;
    -1 means that it waits for however long.
    """
    with FileLock(path, timeout=timeout_s):
        try:
            yield
        finally:
            # While it is held: filelock does not lock a file that has been deleted since it was
            # opened. On Windows this fails, and filelock deletes the file when it releases it.
            with suppress(PermissionError):
                path.unlink(missing_ok=True)
