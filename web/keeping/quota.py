"""How much an owner keeps, and how much that may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from web.errors import QuotaExceeded
from web.keeping.owners import Owned, Owner
from web.keeping.storage import check_room

# Any number that nothing else on the site locks.
_POSTGRES_LOCK = 0x71756F7461


def owned_models() -> list[type[Owned]]:
    """Every kind of media."""
    return [model for model in apps.get_models() if issubclass(model, Owned)]


def used_bytes(owner: Owner) -> int:
    """What everything that ``owner`` keeps takes, with what exports under way may take."""
    return sum(model.stored_bytes(model.objects.of(owner)) for model in owned_models())


def visitors_bytes() -> int:
    """What everything takes that belongs to no account."""
    return sum(model.stored_bytes(model.objects.filter(user=None)) for model in owned_models())


@contextmanager
def quota_lock() -> Iterator[None]:
    """A transaction in which what is looked up stays true: no other reserves meanwhile.

    SQLite lets one transaction write at a time; PostgreSQL has to be told.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_POSTGRES_LOCK])
        yield


def check_quota(owner: Owner, more_bytes: int) -> None:
    """Raise ``QuotaExceeded`` when ``owner`` may not keep ``more_bytes``, before any work is done.

    A program that keeps no cookies is another visitor each time: visitors share a cap as well.
    """
    limits = settings.LIMITS
    allowed = limits["owner_bytes"]
    if allowed and (used := used_bytes(owner)) + more_bytes > allowed:
        raise QuotaExceeded(
            f"Your pictures and videos use {used:,} of {allowed:,} bytes; there is no space for "
            f"{more_bytes:,} more. Delete pictures or videos that you no longer need."
        )
    together = limits["visitors_bytes"]
    if together and owner.user is None and visitors_bytes() + more_bytes > together:
        raise QuotaExceeded(
            "The storage for visitors without an account is full. Sign in, or try again later."
        )


def check_storage(owner: Owner, more_bytes: int) -> None:
    """Raise ``QuotaExceeded`` or ``StorageFull`` when ``more_bytes`` cannot be kept."""
    check_quota(owner, more_bytes)
    check_room(more_bytes)


def storage_usage(owner: Owner) -> dict[str, Any]:
    """What pages with media say of its keeping: bytes, and days (0 for no limit).

    ``visit_days`` are those after a visitor's last visit; an account has no such limit.
    """
    return {
        "used_bytes": used_bytes(owner),
        "allowed_bytes": settings.LIMITS["owner_bytes"],
        "days": settings.RETENTION_DAYS,
        "visit_days": 0 if owner.user else settings.SESSION_COOKIE_AGE // 86400,
    }
