"""Concurrent cameras: frame rate, frame latency and memory of the server.

python -m benchmarks.cameras --source street.jpg [--cameras 1 5 20 50] [--seconds 15]

Serves the site in a separate process with the settings of the environment, and simulates the
cameras in this process, which therefore uses processor time as well. The rate of the bare engine,
measured while nothing else runs, is given for comparison.
"""

import argparse
import asyncio
import statistics

import django

django.setup()

from benchmarks.machine import describe  # noqa: E402
from benchmarks.server import served  # noqa: E402
from benchmarks.video_pipeline import bare_fps  # noqa: E402
from detect_camera.client import CameraStats, open_source, run_camera, socket_url  # noqa: E402
from ml_core import model_pool  # noqa: E402
from ml_core.catalog import selection  # noqa: E402


async def run(url: str, source: str, cameras: int, seconds: float) -> list[CameraStats]:
    frames = await asyncio.to_thread(open_source, source)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(run_camera(url, frames, seconds=seconds, score_threshold=0.35))
            for _ in range(cameras)
        ]
    return [task.result() for task in running]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 5, 20, 50])
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()

    spec = selection.default_model("detection")
    bare = bare_fps(model_pool.broker(spec), 500, spec.input_wh)
    with served() as site:
        print(describe("openvino", "django", "channels", "uvicorn"))
        print(f"{spec.name}: the bare engine answers {bare:.0f} frames per second")
        print("cameras  frames/s  of bare  per camera  age p50  age p95  dropped  memory")
        for cameras in options.cameras:
            measured = asyncio.run(
                run(socket_url(site.url, ""), options.source, cameras, options.seconds)
            )
            ages_ms = sorted(age for each in measured for age in each.latencies_ms)
            fps = len(ages_ms) / options.seconds
            dropped = sum(each.lost.total() for each in measured)
            print(
                f"{cameras:7}  {fps:8.1f}  {fps / bare:7.2f}  {fps / cameras:10.1f}  "
                f"{statistics.median(ages_ms):4.0f} ms  {ages_ms[int(len(ages_ms) * 0.95)]:4.0f} ms"
                f"  {dropped:7}  {site.memory_mb:4.0f} MB"
            )


if __name__ == "__main__":
    main()
