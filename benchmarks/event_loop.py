"""Delay of the server's event loop under concurrent pictures, cameras and a video.

python -m benchmarks.event_loop --picture street.jpg --video clip.mp4 [--seconds 20]

The site runs with the settings of the environment. Delays caused by other processes on the machine
are included, also those of the simulated clients.
"""

import argparse
import asyncio
import threading
import time
from pathlib import Path

import django
import requests

django.setup()

from benchmarks.machine import describe  # noqa: E402
from benchmarks.server import served  # noqa: E402
from detect_camera.client import open_source, run_camera, socket_url  # noqa: E402
from ml_core.catalog import selection  # noqa: E402

PICTURE_CLIENTS = 16
CAMERAS = 5


def send_pictures(url: str, picture: bytes, until: float) -> None:
    session = requests.Session()
    while time.perf_counter() < until:
        headers = {"Content-Type": "image/jpeg"}
        session.post(f"{url}/api/detect/image/", data=picture, headers=headers).raise_for_status()


def send_video(url: str, path: Path) -> None:
    session = requests.Session()
    announcement = {"name": path.name, "size_bytes": path.stat().st_size}
    video = session.post(f"{url}/api/videos/", json=announcement).json()
    chunk_bytes = session.get(f"{url}/api/limits/").json()["limits"]["video_chunk_bytes"]
    with path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            headers = {
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(file.tell() - len(chunk)),
            }
            answer = session.patch(url + video["urls"]["upload"], data=chunk, headers=headers)
            answer.raise_for_status()


async def simulate_cameras(url: str, source: str, seconds: float) -> int:
    frames = await asyncio.to_thread(open_source, source)
    cameras = [
        run_camera(socket_url(url, ""), frames, seconds=seconds, score_threshold=0.35)
        for _ in range(CAMERAS)
    ]
    return sum(len(stats.latencies_ms) for stats in await asyncio.gather(*cameras))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    picture = options.picture.read_bytes()
    with served(watched=True) as site:
        send_video(site.url, options.video)
        requests.get(f"{site.url}/lag")
        until = time.perf_counter() + options.seconds
        threads = [
            threading.Thread(target=send_pictures, args=(site.url, picture, until))
            for _ in range(PICTURE_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        frames = asyncio.run(simulate_cameras(site.url, str(options.picture), options.seconds))
        late_ms = sorted(requests.get(f"{site.url}/lag").json())
        for thread in threads:
            thread.join()
    print(describe("uvicorn", "django"))
    print(
        f"{selection.default_model('detection').name}: {PICTURE_CLIENTS} clients with pictures, "
        f"{CAMERAS} cameras ({frames} frames), a video, for {options.seconds:.0f} s"
    )
    print(
        f"The loop was late by {late_ms[len(late_ms) // 2]:.1f} ms (median), "
        f"{late_ms[int(len(late_ms) * 0.99)]:.1f} ms (99 %), {late_ms[-1]:.1f} ms (most)"
    )


if __name__ == "__main__":
    main()
