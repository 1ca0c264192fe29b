"""``manage.py purge_media``: deletes old, unreachable and incomplete media."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from operation import purge
from web.storage.disk import delete_orphan
from web.storage.reserve import create_reserve


class Command(BaseCommand):
    help = (
        "Delete media older than RETENTION_DAYS or --older-than, media of visitors whose session "
        "has expired, interrupted uploads, expired sessions, and partially written files left by "
        "crashes. Run it daily."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than",
            type=int,
            metavar="DAYS",
            default=settings.RETENTION_DAYS,
            help="overrides RETENTION_DAYS; 0: keep media of any age",
        )
        parser.add_argument("--dry-run", action="store_true", help="delete nothing, only count")

    def handle(self, *args: Any, older_than: int, dry_run: bool, **options: Any) -> None:
        if older_than < 0:
            raise CommandError(f"Expected a number of days from 0 on, received {older_than}.")
        self._is_dry, self._found = dry_run, 0
        if older_than:
            self._delete(f"older than {older_than} days", purge.too_old(older_than))
        self._delete("of expired sessions", purge.of_ended_sessions())
        self._delete("never uploaded completely", purge.unfinished_uploads())
        self._delete("left by the staff", [purge.left_model_jobs()])
        self._delete("expired", [purge.expired_sessions()])
        files = purge.crashed_writes()
        for path in files:
            if not dry_run:
                delete_orphan(path)
        self._report(len(files), "temporary files", "left by crashes")
        if not self._found:
            self.stdout.write("Nothing to delete.")
        if not dry_run:
            create_reserve()

    def _delete(self, reason: str, groups: Iterable[Any]) -> None:
        for rows in groups:
            keys = [*rows.values_list("pk", flat=True)]
            # One by one, which keeps transactions short; files are deleted with their rows.
            for key in [] if self._is_dry else keys:
                rows.model._base_manager.filter(pk=key).delete()
            self._report(len(keys), str(rows.model._meta.verbose_name_plural), reason)

    def _report(self, count: int, what: str, reason: str) -> None:
        self._found += count
        if count:
            done = "would be deleted" if self._is_dry else "deleted"
            self.stdout.write(f"{count} {what} {reason}: {done}")
