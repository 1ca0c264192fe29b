"""What the staff chose for the models, cached for a second: each request needs it."""

import threading
import time
from collections.abc import Callable, Mapping

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, connection

from ml_core.models import ModelChoice

FRESH_SECONDS = 1
# Connecting to a database that is down takes seconds.
RETRY_SECONDS = 10

# Called in a thread when a choice has changed; serving processes then load the models chosen.
on_change: Callable[[], object] | None = None

_lock = threading.Lock()
_choices: dict[str, ModelChoice] = {}
# Whether those known will do while they are being read; not before the first time, or a change.
_may_be_old = False
_fresh_until_s = 0.0
# Counts the calls of ``forget``.
_changes = 0


def choices() -> Mapping[str, ModelChoice]:
    """The rows by model name; the last known ones while the database cannot be read.

    They are as of up to a second ago, so that changes reach every process without a restart.
    """
    global _choices, _fresh_until_s, _may_be_old
    if time.monotonic() < _fresh_until_s:
        return _choices
    # While another thread reads them, which may take long, the last known ones do.
    if not _lock.acquire(blocking=not _may_be_old):
        return _choices
    try:
        if time.monotonic() < _fresh_until_s:
            return _choices
        try:
            changes = _changes
            former, _choices = _choices, {choice.name: choice for choice in _read()}
            if on_change and _loaded_first(former) != _loaded_first(_choices):
                threading.Thread(target=on_change, daemon=True).start()
            # Not if they were changed while they were being read.
            if changes == _changes:
                _fresh_until_s = time.monotonic() + FRESH_SECONDS
                _may_be_old = True
        except SynchronousOnlyOperation:
            # A coroutine; the next thread reads them.
            pass
        except Error:
            # Also before the first migration.
            _fresh_until_s = time.monotonic() + RETRY_SECONDS
        return _choices
    finally:
        _lock.release()


def forget() -> None:
    """Read the rows again at the next request in this process, after a change."""
    global _changes, _fresh_until_s, _may_be_old
    _changes += 1
    _fresh_until_s, _may_be_old = 0.0, False


def _loaded_first(rows: Mapping[str, ModelChoice]) -> set[str]:
    """The models that are to be loaded before anybody requests them."""
    return {row.name for row in rows.values() if row.is_default or row.is_preloaded}


def _read() -> list[ModelChoice]:
    was_open = connection.connection is not None
    try:
        return list(ModelChoice.objects.all())
    finally:
        # Nobody else would close the connection of a thread that serves no request.
        if not was_open:
            connection.close()
