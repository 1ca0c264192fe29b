"""Cameras at one time: how many frames are answered, how old they are by then, and memory.

python -m benchmarks.cameras --source street.jpg [--cameras 1 5 50] [--seconds 15]

Serves the site in a process of its own with the settings of the environment, and is that many
cameras from this process, which therefore takes processor time as well; beside it stands what
the bare engine answers when nothing else runs.
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import django
import requests

django.setup()

from benchmarks.video_pipeline import bare_fps  # noqa: E402
from detect_camera.client import Measured, open_source, run_camera, socket_url  # noqa: E402
from ml_core import engine  # noqa: E402


def memory_mb(process: int) -> float:
    """Resident memory of a process on Linux."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


async def run(url: str, source: str, cameras: int, seconds: float) -> list[Measured]:
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
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 5, 50])
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()

    spec = engine.default_model("detection")
    bare = bare_fps(engine._broker(spec), 500, spec.input_wh)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        env={**os.environ, "PORT": str(port), "LIMIT_CAMERAS_PER_OWNER": "1000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            time.sleep(0.5)
            try:
                if requests.get(f"{url}/readyz", timeout=5).ok:
                    break
            except requests.ConnectionError:
                continue
        print(f"{spec.name}: the bare engine answers {bare:.0f} frames per second")
        print("cameras  frames/s  of bare  per camera  age p50  age p95  dropped  memory")
        for cameras in options.cameras:
            measured = asyncio.run(
                run(socket_url(url, ""), options.source, cameras, options.seconds)
            )
            ages_ms = sorted(age for each in measured for age in each.delays_ms)
            fps = len(ages_ms) / options.seconds
            dropped = sum(each.lost.total() for each in measured)
            print(
                f"{cameras:7}  {fps:8.1f}  {fps / bare:7.2f}  {fps / cameras:10.1f}  "
                f"{statistics.median(ages_ms):4.0f} ms  {ages_ms[int(len(ages_ms) * 0.95)]:4.0f} ms"
                f"  {dropped:7}  {memory_mb(server.pid):4.0f} MB"
            )
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    main()
