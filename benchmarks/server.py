"""Serve the site in a separate process, to measure it from outside."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

# Runs ``serve`` with the application of ``watched_asgi`` in place of the site's.
WATCHED = """
import uvicorn
from django.core.management import execute_from_command_line
Config = uvicorn.Config
uvicorn.Config = lambda app, **options: Config("benchmarks.watched_asgi:application", **options)
execute_from_command_line(["manage.py", "serve"])
"""


class Site:
    """A running site: its URL, its process, and the seconds until it was ready."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]", ready_s: float) -> None:
        self.url = url
        self.process = process
        self.ready_s = ready_s

    @property
    def memory_mb(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1000


def free_port() -> int:
    """A TCP port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def served(*, watched: bool = False, **environment: str) -> Iterator[Site]:
    """Serve the site inside the ``with`` block; enters it once the models are warmed up."""
    port = free_port()
    of_one_client = ("CAMERAS_PER_OWNER", "CAMERAS_PER_ADDRESS", "WEBSOCKETS_PER_ADDRESS")
    limits = {f"LIMIT_{name}": "1000" for name in of_one_client} | {"THROTTLE_PREDICTIONS": ""}
    environment = {**os.environ, **limits, **environment, "PORT": str(port)}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env=environment, check=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *(["-c", WATCHED] if watched else ["manage.py", "serve"])],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url):
            if process.poll() is not None:
                raise SystemExit("The site does not start; manage.py serve says why.")
            time.sleep(0.05)
        yield Site(url, process, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False
