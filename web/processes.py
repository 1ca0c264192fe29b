"""What the processes of a site report to each other, so that limits and figures hold for all.

They do so in the cache, which they share if ``REDIS_URL`` is set; otherwise there is one serving
process, and nothing is reported. While Redis does not respond, each process knows only itself.
"""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger(__name__)

# Reports are renewed this often. Those of a process that died expire.
EVERY_S = 2
EXPIRE_S = 8
# The most processes of a site. Each takes a place, under which the others find its reports.
PLACES = 64

_name = uuid.uuid4().hex
_place: int | None = None
# By what they are about. Each has a lock, so that no newer report is replaced by an older one.
_reports: dict[str, tuple[Callable[[], Any], threading.Lock]] = {}
_place_lock = threading.Lock()
_is_due = threading.Event()


def report(about: str, function: Callable[[], Any]) -> None:
    """Report what ``function`` returns, which must be plain data, to the other processes."""
    _reports[about] = function, threading.Lock()


def start_reporting() -> None:
    """Report from now on, in a thread, if the site has several processes."""
    if settings.REDIS_URL:
        threading.Thread(target=_report_forever, name="reports", daemon=True).start()


def report_soon() -> None:
    """Report in a moment, after a change that others should know at once."""
    _is_due.set()


def report_now(*abouts: str) -> None:
    """Report about some things, or about everything, before this returns."""
    for about in abouts or [*_reports]:
        function, lock = _reports[about]
        with lock:
            data = function()
            with _place_lock:
                place = _own_place()
                cache.set_many({_key(place, "name"): _name, _key(place, about): data}, EXPIRE_S)


def reports_of_others(about: str) -> list[Any]:
    """The latest reports of the other processes."""
    if not settings.REDIS_URL:
        return []
    keys = [_key(place, about) for place in range(PLACES) if place != _place]
    return [*cache.get_many(keys).values()]


def _own_place() -> int:
    """The place of this process, which it loses if it does not report in time."""
    global _place
    if _place is None or cache.get(_key(_place, "name"), _name) != _name:
        free = (place for place in range(PLACES) if cache.add(_key(place, "name"), _name, EXPIRE_S))
        _place = next(free, PLACES - 1)
    return _place


def _key(place: int, about: str) -> str:
    return f"process:{place}:{about}"


def _report_forever() -> None:
    while True:
        try:
            report_now()
        except Exception:
            logger.exception("this process could not report to the others")
        _is_due.wait(EVERY_S)
        _is_due.clear()
