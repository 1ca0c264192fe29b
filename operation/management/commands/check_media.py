"""``manage.py check_media``: are all kept files there, whole, and somebody's?"""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ml_core.storage import delete_left_over, is_older
from operation import audit

# A file that is younger may get its row in a moment.
YOUNG_S = 3600


class Command(BaseCommand):
    help = (
        "List missing, corrupt and orphaned files of the media folder; exit with 1 for any. What "
        "was sent is compared by its SHA-256, drawn pictures and saved videos by their size."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--delete-orphans",
            action="store_true",
            help="delete files that belong to nothing, unless they are younger than an hour",
        )

    def handle(self, *args: Any, delete_orphans: bool, **options: Any) -> None:
        problems = 0
        for line in audit.missing_and_corrupt():
            self.stdout.write(line)
            problems += 1
        old_before = time.time() - YOUNG_S
        for path in audit.orphans():
            if delete_orphans and is_older(path, old_before):
                delete_left_over(path)
                self.stdout.write(f"deleted  {path}")
                continue
            if not path.exists():
                continue
            self.stdout.write(f"orphaned {path}")
            problems += 1
        if problems:
            raise CommandError(f"{problems} files are not as they should be.")
        self.stdout.write("Every file is as it was kept.")
