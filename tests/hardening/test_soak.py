"""Load of all stages at once: memory, threads and open files of the process do not grow."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, Server
from tests.hardening.client import Client, tracebacks, unique_clip

MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
SAMPLE_S = 5


@dataclass
class Sample:
    """Resources of the serving process at one moment."""

    memory_mb: float
    threads: int
    files: int


def sample(process_id: int) -> Sample:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process_id}/status").read_text().splitlines()
    )
    memory_mb = int(status["VmRSS"].split()[0]) / 1024
    files = len(os.listdir(f"/proc/{process_id}/fd"))
    return Sample(memory_mb, int(status["Threads"]), files)


class Users:
    """Clients of all stages; each repeats its requests without a pause."""

    def __init__(self, server: Server, picture: bytes, clip: bytes) -> None:
        self.server, self.picture, self.clip = server, picture, clip
        self.ended = threading.Event()
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def start(self) -> None:
        works = [self.ask_pictures, self.ask_pictures, self.store_and_delete, self.send_videos]
        self.threads = [threading.Thread(target=self.repeat, args=(work,)) for work in works]
        self.threads.append(threading.Thread(target=self.show_cameras))
        for thread in self.threads:
            thread.start()

    def repeat(self, work: Callable[[Client, int], None]) -> None:
        client, number = Client(self.server), 0
        while not self.ended.is_set():
            try:
                work(client, number)
                self.done[work.__name__] += 1
            except Exception as exc:
                self.failed.append(f"{work.__name__}: {exc!r}")
            number += 1

    def ask_pictures(self, client: Client, number: int) -> None:
        client.detect(self.picture).raise_for_status()

    def store_and_delete(self, client: Client, number: int) -> None:
        client.classify(self.picture).raise_for_status()
        stored = client.detect(self.picture, **{"return": "url"})
        stored.raise_for_status()
        client.ask("GET", stored.json()["drawn_url"]).raise_for_status()
        client.ask("DELETE", f"/api/pictures/{stored.json()['id']}/").raise_for_status()
        newest = client.ask("GET", "/api/classify/pictures/?limit=1").json()["results"][0]
        client.ask("DELETE", f"/api/classify/pictures/{newest['id']}/").raise_for_status()

    def send_videos(self, client: Client, number: int) -> None:
        video = client.send_video(unique_clip(self.clip, number))
        path = video["urls"]["self"]
        while (state := client.ask("GET", path).json()["state"]) != "done":
            assert state in ("queued", "running"), state
            time.sleep(0.2)
        rendering = client.ask("POST", video["urls"]["renderings"], json={}).json()["urls"]["self"]
        while (saved := client.ask("GET", rendering).json())["state"] != "done":
            assert saved["state"] in ("queued", "running"), saved
            time.sleep(0.2)
        client.ask("GET", saved["urls"]["file"]).raise_for_status()
        client.ask("DELETE", path).raise_for_status()

    def show_cameras(self) -> None:
        """Run three cameras for 20 seconds at a time with ``manage.py detect_camera``."""
        picture_path = ROOT / "static" / "samples" / "street.jpg"
        command = [sys.executable, "manage.py", "detect_camera", "--url", self.server.url]
        command += ["--source", str(picture_path), "--cameras", "3", "--seconds", "20"]
        while not self.ended.is_set():
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            self.done["cameras"] += 3
            if done.returncode:
                self.failed.append(done.stderr[-500:])

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_memory_threads_and_open_files_stay_flat(
    own_server: Server, picture: bytes, clip: bytes
) -> None:
    users = Users(own_server, picture, clip)
    users.start()
    samples = []
    deadline = time.monotonic() + 60 * MINUTES
    while time.monotonic() < deadline:
        time.sleep(SAMPLE_S)
        samples.append(sample(own_server.process.pid))
    users.stop()

    # During the first third, caches and pools fill up.
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]

    def medians(name: str) -> tuple[float, float]:
        return tuple(statistics.median(getattr(s, name) for s in part) for part in (middle, last))

    print(f"\n{MINUTES:g} minutes: {dict(users.done)}")
    for name in ("memory_mb", "threads", "files"):
        before, after = medians(name)
        most = max(getattr(s, name) for s in samples)
        print(
            f"{name}: {before:.0f} in the middle third, {after:.0f} in the last, {most:.0f} at most"
        )
    assert users.failed == []
    assert tracebacks(own_server) == []
    for name, tolerance in (("memory_mb", 20), ("threads", 3), ("files", 5)):
        before, after = medians(name)
        assert after <= before + tolerance, name
    own_server.manage("check_media")
