"""``manage.py prepare``: what is done once before the site is served, by however many processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from ml_core.locks import short_lock

# Key of PostgreSQL's advisory lock; nothing else on the site uses it.
POSTGRES_LOCK = 0x70726570617265


class Command(BaseCommand):
    help = "Migrate the database and collect the static files; other calls wait meanwhile."

    def handle(self, *args: Any, **options: Any) -> None:
        with _site_lock():
            call_command("migrate", verbosity=0)
            # Redoc comes with Swagger UI; no page of the site uses it.
            call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["redoc"])


@contextmanager
def _site_lock() -> Iterator[None]:
    """One process of the site at a time: on any machine with PostgreSQL, else on this one."""
    if connection.vendor != "postgresql":
        with short_lock(settings.DATA_DIR / "prepare.lock", timeout_s=-1):
            yield
        return
    # A connection of its own: migrating must neither commit nor end the lock.
    locking = connection.copy()
    # Not from the pool either, which may have only one.
    locking.settings_dict["OPTIONS"].pop("pool", None)
    try:
        with locking.cursor() as cursor:
            # However long others prepare.
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [POSTGRES_LOCK])
        with connection.cursor() as cursor:
            # The limits are for requests; a migration may take long.
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
        yield
        with locking.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [POSTGRES_LOCK])
    finally:
        locking.close()
