"""The pool of connections to PostgreSQL: all in use, and while the server is away and back."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.services import ROOT, Postgres

# For each line with a number, so many threads ask the database at the same time. Prints the
# answers, by which 503 is chosen, with how often they came; and how long the last one took.
ASK = """
import json, sys, threading, time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from django.db import connection
from web.storage.disk import as_vision_error

def ask(at_once):
    at_once.wait()
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
            answer = "ok"
    except Exception as exc:
        answer = type(as_vision_error(exc) or exc).__name__
    finally:
        connection.close()
    return answer, time.monotonic() - started

for line in sys.stdin:
    count = int(line)
    with ThreadPoolExecutor(count) as threads:
        answers, seconds = zip(*threads.map(ask, [threading.Barrier(count)] * count))
    print(json.dumps([Counter(answers), max(seconds)]), flush=True)
"""
POOL = 20
Ask = Callable[[int], tuple[dict[str, int], float]]


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server that the test may stop."""
    service = Postgres()
    service.start()
    yield service
    service.remove()


@pytest.fixture
def ask(server: Postgres, tmp_path: Path) -> Iterator[Ask]:
    """Ask the database with so many threads of a process with the site's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "deploy_site.settings",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": server.url("postgres"),
        "DATABASE_POOL": str(POOL),
    }
    with subprocess.Popen(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:

        def ask(threads: int) -> tuple[dict[str, int], float]:
            assert child.stdin and child.stdout
            print(threads, file=child.stdin, flush=True)
            answers, longest_s = json.loads(child.stdout.readline())
            return answers, longest_s

        yield ask
        child.communicate()


def test_more_threads_than_connections_wait_for_their_turn(ask: Ask) -> None:
    answers, longest_s = ask(10 * POOL)

    assert answers == {"ok": 10 * POOL}
    # So they did wait: each connection has served ten of them.
    assert longest_s > 9 * 0.05


def test_nobody_waits_for_a_server_that_is_away(server: Postgres, ask: Ask) -> None:
    ask(POOL)

    server.stop()
    many, many_s = ask(10 * POOL)
    time.sleep(2)
    one, one_s = ask(1)

    assert many == {"StorageUnusable": 10 * POOL}
    assert one == {"StorageUnusable": 1}
    assert max(many_s, one_s) < 3
    print(f"\nwhile it is away: {many_s:.2f} s for {10 * POOL} threads, then {one_s:.2f} s for one")


@pytest.mark.parametrize("asked", [False, True], ids=["nobody asked meanwhile", "asked meanwhile"])
def test_the_first_request_after_a_restart_is_answered(
    server: Postgres, ask: Ask, asked: bool
) -> None:
    ask(POOL)

    server.stop()
    if asked:
        ask(2 * POOL)
        time.sleep(3)
    server.start()
    one, one_s = ask(1)
    many, many_s = ask(POOL)

    assert one == {"ok": 1}
    assert many == {"ok": POOL}
    assert max(one_s, many_s) < 3
    print(f"\nafter the restart: {one_s:.2f} s for one thread, then {many_s:.2f} s for {POOL}")
