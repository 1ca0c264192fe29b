"""Storage used by owners, and the quota on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from ml_core.errors import gettext_noop
from web.errors import QuotaExceeded
from web.storage.disk import check_room
from web.storage.owners import Owned, Owner

# Key of the advisory lock; nothing else on the site uses it.
_POSTGRES_LOCK = 0x71756F7461


def owned_models() -> list[type[Owned]]:
    """All models whose rows have an owner."""
    return [model for model in apps.get_models() if issubclass(model, Owned)]


def used_bytes(owner: Owner) -> int:
    """Bytes that ``owner`` stores, including the reserved size of renderings in progress."""
    return sum(model.stored_bytes(model.objects.of(owner)) for model in owned_models())


def visitors_bytes() -> int:
    """Bytes of all rows that belong to no account."""
    return sum(model.stored_bytes(model.objects.filter(user=None)) for model in owned_models())


@contextmanager
def quota_lock() -> Iterator[None]:
    """A transaction that excludes all others of this kind, to check the quota and then write.

    SQLite allows one writing transaction at a time; PostgreSQL needs an explicit lock.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_POSTGRES_LOCK])
        yield


def check_quota(owner: Owner, more_bytes: int) -> None:
    """Raise ``QuotaExceeded`` when ``owner`` may not store ``more_bytes``.

    Without cookies each request is a new visitor, so all visitors together have a limit as well.
    """
    limits = settings.LIMITS
    allowed = limits["owner_bytes"]
    if allowed and (used := used_bytes(owner)) + more_bytes > allowed:
        raise QuotaExceeded(
            gettext_noop(
                "Your pictures and videos use {used:,} of {allowed:,} bytes; there is no space for "
                "{more:,} more. Delete pictures or videos that you no longer need."
            ),
            used=used,
            allowed=allowed,
            more=more_bytes,
        )
    together = limits["visitors_bytes"]
    if together and owner.user is None and visitors_bytes() + more_bytes > together:
        raise QuotaExceeded(
            gettext_noop(
                "The storage for visitors without an account is full. Sign in, or try again later."
            )
        )


def check_storage(owner: Owner, more_bytes: int) -> None:
    """Raise ``QuotaExceeded`` or ``StorageFull`` when ``more_bytes`` cannot be stored."""
    check_quota(owner, more_bytes)
    check_room(more_bytes)


def storage_usage(owner: Owner) -> dict[str, Any]:
    """Storage usage and retention, as shown on the pages; 0 days means no limit.

    ``visit_days`` counts from a visitor's last visit; accounts have no such limit.
    """
    return {
        "used_bytes": used_bytes(owner),
        "allowed_bytes": settings.LIMITS["owner_bytes"],
        "days": settings.RETENTION_DAYS,
        "visit_days": 0 if owner.user else settings.SESSION_COOKIE_AGE // 86400,
    }
