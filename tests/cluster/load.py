"""Callers of a published model, in a process of their own; prints what they saw as JSON.

Usage: ``python tests/cluster/load.py FOLDER TARGETS CALLERS SECONDS``, with the folder of a version
of a model and the servers, separated by commas. Each caller sends its next picture when it has the
answer to the last one.
"""

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from ml_core.engines.published import read_published
from ml_core.engines.remote import RemoteEngine
from ml_core.errors import VisionError


def main(folder: str, targets: str, callers: str, seconds: str) -> None:
    published = read_published(Path(folder))
    engine = RemoteEngine(
        published.spec,
        targets=targets.split(","),
        decodes_here=False,
        version=published.version,
        calls=int(callers),
    )
    width, height = published.spec.input_wh
    picture = np.zeros((1, height, width, 3), np.uint8)
    # The first call connects.
    engine.infer(picture, timeout_s=60)
    took_ms: list[float] = []
    failures: list[str] = []
    until = time.monotonic() + float(seconds)

    def call() -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                engine.infer(picture, timeout_s=30)
            except VisionError as exc:
                failures.append(str(exc))
            took_ms.append((time.monotonic() - started) * 1000)

    threads = [threading.Thread(target=call) for _ in range(int(callers))]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    print("started", flush=True)
    for thread in threads:
        thread.join()
    elapsed_s = time.monotonic() - started
    p50, p95 = np.percentile(took_ms, [50, 95])
    seen = {
        "calls": len(took_ms),
        "failures": failures,
        "per_second": len(took_ms) / elapsed_s,
        "p50_ms": p50,
        "p95_ms": p95,
        "max_ms": max(took_ms),
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
