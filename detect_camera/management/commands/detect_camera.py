"""``manage.py detect_camera``: one camera, or many of them, without a browser."""

import asyncio
import statistics
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from websockets.exceptions import InvalidHandshake

from detect_camera.client import CameraError, Measured, open_source, run_camera, socket_url

REPORT_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Stream a camera or a file to a running server, and print detections, frame rate and delay."
    )

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
            measured = asyncio.run(self._run(options))
        except (CameraError, OSError, InvalidHandshake) as exc:
            raise CommandError(str(exc)) from exc
        except ExceptionGroup as group:
            # What the server said before it closed tells more than that it did.
            problem: Exception = group.subgroup(CameraError) or group
            while isinstance(problem, ExceptionGroup):
                problem = problem.exceptions[0]
            raise CommandError(str(problem)) from group
        except KeyboardInterrupt:
            return
        self._print_sum(measured, options["seconds"])

    async def _run(self, options: dict[str, Any]) -> list[Measured]:
        source = await asyncio.to_thread(open_source, options["source"])
        url = socket_url(options["url"], options["model"])
        cameras = [
            run_camera(
                url,
                source,
                seconds=options["seconds"],
                score_threshold=options["score_threshold"],
                on_answer=self._reporter() if number == 0 else lambda measured: None,
            )
            for number in range(options["cameras"])
        ]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(camera) for camera in cameras]
        return [task.result() for task in running]

    def _reporter(self) -> Any:
        """Prints a line each second."""
        reported_s, answered = time.monotonic(), 0

        def report(measured: Measured) -> None:
            nonlocal reported_s, answered
            elapsed_s = time.monotonic() - reported_s
            if elapsed_s < REPORT_SECONDS:
                return
            delays_ms = measured.delays_ms[answered:]
            in_sight = ", ".join(f"{n} {name}" for name, n in measured.in_sight.items())
            self.stdout.write(
                f"{len(delays_ms) / elapsed_s:5.1f} FPS  {statistics.median(delays_ms):5.0f} ms  "
                f"{in_sight or 'nothing above the threshold'}"
            )
            reported_s, answered = time.monotonic(), len(measured.delays_ms)

        return report

    def _print_sum(self, measured: list[Measured], seconds: float) -> None:
        delays_ms = sorted(delay for each in measured for delay in each.delays_ms)
        if not delays_ms:
            raise CommandError("No frame got a result.")
        lost = sum((each.lost for each in measured), start=type(measured[0].lost)())
        self.stdout.write(
            f"{len(measured)} cameras: {len(delays_ms)} frames with a result "
            f"({len(delays_ms) / seconds:.1f} per second), delay "
            f"{statistics.median(delays_ms):.0f} ms (p50), "
            f"{delays_ms[int(len(delays_ms) * 0.95)]:.0f} ms (p95); "
            f"without a result: {dict(lost) or 'none'}"
        )
