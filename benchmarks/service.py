"""Throughput and latency over HTTP of this project's server and of others, measured in turn.

python -m benchmarks.service --model NAME [--size 1280 720] [--clients 1 4 16] [--rounds 3]

All servers run the same network on the same JPEG, each in its own process; only one is measured at
a time. The clients use processor time of this machine as well. Settings come from the
environment. Needs requirements-benchmarks.txt.
"""

import argparse
import http.client
import io
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import django
import psutil
from PIL import Image

django.setup()

from benchmarks.machine import describe  # noqa: E402
from benchmarks.server import free_port  # noqa: E402
from benchmarks.video_pipeline import bare_fps  # noqa: E402
from ml_core import model_pool  # noqa: E402
from ml_core.catalog import selection  # noqa: E402

PICTURE = Path(__file__).parent.parent / "static" / "samples" / "street.jpg"
BOUNDARY = "a-boundary-that-no-picture-has"


@dataclass
class Server:
    """A server in its own process, and its measurements by number of clients."""

    title: str
    command: list[str]
    path: str
    body: bytes
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    rates: dict[int, list[float]] = field(default_factory=dict)
    latencies_ms: dict[int, list[float]] = field(default_factory=dict)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self.command],
            env={**os.environ, "PORT": str(self.port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(240):
            time.sleep(0.5)
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port)
                if post(connection, self.path, self.body) < 300:
                    return
            except (OSError, http.client.HTTPException):
                continue
        raise SystemExit(f"{self.title} does not start.")

    def stop(self) -> None:
        if not self.process:
            return
        own = psutil.Process(self.process.pid)
        # LitServe leaves its workers behind.
        processes = [own, *own.children(recursive=True)]
        for process in processes:
            process.terminate()
        for process in psutil.wait_procs(processes, timeout=30)[1]:
            process.kill()

    def measure(self, clients: int, seconds: float) -> None:
        until = time.perf_counter() + seconds
        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as threads:
            each = threads.map(self._one_client, [until] * clients)
            latencies_ms = list(chain.from_iterable(each))
        passed = time.perf_counter() - started
        self.rates.setdefault(clients, []).append(len(latencies_ms) / passed)
        self.latencies_ms.setdefault(clients, []).extend(latencies_ms)

    def _one_client(self, until: float) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        latencies_ms = []
        while (started := time.perf_counter()) < until:
            status = post(connection, self.path, self.body)
            assert status == 200, f"{self.title} answers {status}"
            latencies_ms.append((time.perf_counter() - started) * 1000)
        return latencies_ms


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> int:
    """Post the form, read the response, and return its status."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    response.read()
    return response.status


def form_with_picture(field_name: str, size_wh: tuple[int, int]) -> bytes:
    """A multipart form with the sample picture as a JPEG of that size."""
    output = io.BytesIO()
    Image.open(PICTURE).resize(size_wh).save(output, "JPEG", quality=90)
    disposition = f'form-data; name="{field_name}"; filename="street.jpg"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: image/jpeg\r\n\r\n"
    return head.encode() + output.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 720])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    size_wh = options.size[0], options.size[1]
    os.environ.update(DETECTOR=options.model, THROTTLE_PREDICTIONS="")

    spec = selection.find("detection", options.model)
    broker = model_pool.broker(spec)
    frames = max(4, round(bare_fps(broker, 4, spec.input_wh) * options.seconds))
    ours = Server(
        "this project",
        ["manage.py", "serve"],
        "/api/detect/image/",
        form_with_picture("image", size_wh),
        free_port(),
    )
    servers = [ours]
    for title, module in (
        ("Flask, model.predict", "peer_flask"),
        ("LitServe, ONNX Runtime", "peer_litserve"),
    ):
        port = free_port()
        command = ["-m", f"benchmarks.{module}", options.model, str(port)]
        servers.append(
            Server(title, command, "/detect", form_with_picture("request", size_wh), port)
        )
    bare: list[float] = []
    try:
        for server in servers:
            server.start()
        for _ in range(options.rounds):
            bare.append(bare_fps(broker, frames, spec.input_wh))
            for clients in options.clients:
                for server in servers:
                    server.measure(clients, options.seconds)
    finally:
        for server in servers:
            server.stop()
    print(describe("openvino", "tensorflow", "onnxruntime", "flask", "litserve"))
    rate = statistics.median(bare)
    picture = f"{size_wh[0]} x {size_wh[1]}"
    print(f"\n**{spec.name}**, {picture}: the bare engine does {rate:.1f} pictures per second\n")
    print("| | clients | pictures/s | of bare | p50 ms | p95 ms | p99 ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for server in servers:
        for clients in options.clients:
            shares = [r / b for r, b in zip(server.rates[clients], bare, strict=True)]
            cuts = statistics.quantiles(server.latencies_ms[clients], n=100)
            print(
                f"| {server.title} | {clients} | {statistics.median(server.rates[clients]):.1f} | "
                f"{statistics.median(shares):.2f} | {cuts[49]:.0f} | {cuts[94]:.0f} | "
                f"{cuts[98]:.0f} |"
            )


if __name__ == "__main__":
    main()
