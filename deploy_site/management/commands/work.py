"""``manage.py work``: works on videos in a process of its own."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from detect_video.jobs.scheduler import scheduler
from operation.status import report_status


class Command(BaseCommand):
    help = (
        "Run detection in videos and renderings of them, beside web processes with "
        "RUN_JOBS=false; SIGTERM hands the jobs back."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: scheduler.stop())
        report_status()
        scheduler.start()
        self.stdout.write("Working on videos (Ctrl-C ends)\n")
        scheduler.join()
