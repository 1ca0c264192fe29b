"""Start-up time and memory of the site, and whether memory grows with the requests.

python -m benchmarks.memory --picture street.jpg --models NAME... [--requests 10000]

The site runs with the settings of the environment, but in a new DATA_DIR for each model.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
import requests

django.setup()

from benchmarks.machine import describe  # noqa: E402
from benchmarks.server import served  # noqa: E402

CLIENTS = 4
# Requests after which memory should not grow any more.
FIRST = 1000


def send(url: str, picture: bytes, count: int) -> None:
    def one_client(_: int) -> None:
        session = requests.Session()
        headers = {"Content-Type": "image/jpeg"}
        for _ in range(count // CLIENTS):
            answer = session.post(f"{url}/api/detect/image/", data=picture, headers=headers)
            answer.raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(one_client, range(CLIENTS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    picture = options.picture.read_bytes()
    print(describe("openvino", "django"))
    print(f"\n| | first start | next start | memory | after {FIRST} | after {options.requests} |")
    print("|---|---:|---:|---:|---:|---:|")
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            choice = {"DETECTOR": model, "DATA_DIR": folder}
            migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(migrate, env={**os.environ, **choice}, check=True)
            with served(**choice) as site:
                first_s = site.ready_s
            with served(**choice) as site:
                memory = [site.memory_mb]
                for count in (FIRST, options.requests - FIRST):
                    send(site.url, picture, count)
                    memory.append(site.memory_mb)
                cells = [f"{value:.0f} MB" for value in memory]
                print(f"| {model} | {first_s:.1f} s | {site.ready_s:.1f} s | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
