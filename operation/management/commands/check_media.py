"""``manage.py check_media``: are all kept files there, whole, and somebody's?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from operation import audit
from web.keeping.storage import delete_orphan


class Command(BaseCommand):
    help = (
        "List missing, corrupt and orphaned files of the media folder, and empty folders; exit "
        "with 1 for any. What was sent is compared by its SHA-256, drawn pictures and saved videos "
        "by their size. An orphan belongs to nothing and is an hour old; half-written, a day."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--delete-orphans",
            action="store_true",
            help="delete orphaned files and empty folders, which is then no reason to exit with 1",
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
            raise CommandError(f"{problems} files or folders are not as they should be.")
        self.stdout.write("Every file is as it was kept.")
