"""``manage.py check_media``: lists missing, corrupt and orphaned media files."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from operation import audit
from web.storage.disk import delete_orphan


class Command(BaseCommand):
    help = (
        "List missing, corrupt and orphaned media files and empty folders; exit with 1 if there "
        "are any. Uploads are verified by their SHA-256, drawn pictures and rendered videos by "
        "their size. Orphans are files without a database row that are older than an hour "
        "(partially written: a day)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--delete-orphans",
            action="store_true",
            help="delete orphaned files and empty folders, and do not count them as problems",
        )

    def handle(self, *args: Any, delete_orphans: bool, **options: Any) -> None:
        problems = 0
        for line in audit.missing_and_corrupt():
            self.stdout.write(line)
            problems += 1
        for path in audit.orphans():
            if delete_orphans:
                delete_orphan(path)
                self.stdout.write(f"deleted  {path}")
            else:
                self.stdout.write(f"orphaned {path}")
                problems += 1
        if problems:
            raise CommandError(f"{problems} files or folders have problems.")
        self.stdout.write("All files are intact.")
