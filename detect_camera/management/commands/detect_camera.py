"""``manage.py detect_camera``: live detection in the terminal, with one or more cameras."""

import asyncio
import statistics
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize
from websockets.exceptions import InvalidHandshake

from detect_camera.client import CameraError, CameraStats, open_source, run_camera, socket_url

REPORT_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Stream a camera or a file to a running server, and print detections, frame rate and delay."
    )
    # It needs nothing of the site but the address; the checks would take a second.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=settings.OWN_URL, help="the server's address")
        parser.add_argument(
            "--source",
            default="0",
            help="camera number, or video or picture file (default: 0)",
        )
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument("--score-threshold", type=float, default=0.35)
        parser.add_argument(
            "--seconds", type=float, default=3600, help="duration in seconds (default: 3600)"
        )
        parser.add_argument(
            "--cameras", type=int, default=1, help="number of simultaneous cameras, for load tests"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cameras = asyncio.run(self._run(options))
        except (CameraError, OSError, InvalidHandshake) as exc:
            raise CommandError(str(exc)) from exc
        except ExceptionGroup as group:
            # The server's error message says more than the closed connection that follows it.
            problem: Exception = group.subgroup(CameraError) or group
            while isinstance(problem, ExceptionGroup):
                problem = problem.exceptions[0]
            raise CommandError(str(problem)) from group
        except KeyboardInterrupt:
            return
        self._print_summary(cameras, options["seconds"])

    async def _run(self, options: dict[str, Any]) -> list[CameraStats]:
        source = await asyncio.to_thread(open_source, options["source"])
        url = socket_url(options["url"], options["model"])
        cameras = [
            run_camera(
                url,
                source,
                seconds=options["seconds"],
                score_threshold=options["score_threshold"],
                on_result=self._reporter() if number == 0 else lambda stats: None,
                on_loading=self._report_loading if number == 0 else lambda: None,
            )
            for number in range(options["cameras"])
        ]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(camera) for camera in cameras]
        return [task.result() for task in running]

    def _report_loading(self) -> None:
        self.stderr.write("The server is loading the model ...")

    def _reporter(self) -> Any:
        """Return a callback that prints the rate and the visible objects once a second."""
        reported_s, reported = time.monotonic(), 0

        def report(stats: CameraStats) -> None:
            nonlocal reported_s, reported
            elapsed_s = time.monotonic() - reported_s
            if elapsed_s < REPORT_SECONDS:
                return
            latencies_ms = stats.latencies_ms[reported:]
            visible = ", ".join(f"{n} {name}" for name, n in stats.visible.items())
            self.stdout.write(
                f"{len(latencies_ms) / elapsed_s:5.1f} FPS  "
                f"{statistics.median(latencies_ms):5.0f} ms  "
                f"{visible or 'nothing above the threshold'}"
            )
            reported_s, reported = time.monotonic(), len(stats.latencies_ms)

        return report

    def _print_summary(self, cameras: list[CameraStats], seconds: float) -> None:
        latencies_ms = sorted(latency for stats in cameras for latency in stats.latencies_ms)
        if not latencies_ms:
            raise CommandError("No frame got a result.")
        lost = sum((stats.lost for stats in cameras), start=Counter[str]())
        self.stdout.write(
            f"{len(cameras)} camera{pluralize(len(cameras))}: "
            f"{len(latencies_ms)} frames with a result ("
            f"{len(latencies_ms) / seconds:.1f} per second), delay "
            f"{statistics.median(latencies_ms):.0f} ms (p50), "
            f"{latencies_ms[int(len(latencies_ms) * 0.95)]:.0f} ms (p95); "
            f"without a result: {dict(lost) or 'none'}"
        )
