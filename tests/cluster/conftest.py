"""A site of three web processes and workers behind nginx, on PostgreSQL and Redis."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from detect_video.conftest import cell_of
from detect_video.tests.clips import write_clip
from ml_core.tests.toy_network import RED, cells_picture
from tests.cluster.services import ROOT, Nginx, Postgres, Redis, wait_until
from tests.conftest import Server

CLIP_FRAMES = 1500
# All clients of the tests have one address.
LIMITS = {
    "LIMIT_CONNECTIONS": "1000",
    "LIMIT_CONNECTIONS_PER_ADDRESS": "1000",
    "LIMIT_VIDEO_JOBS": "1",
}


class Worker:
    """A ``manage.py work`` process."""

    def __init__(self, environment: dict[str, str], log_path: Path) -> None:
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "work"],
                cwd=ROOT,
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: "Working on videos" in log_path.read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Site:
    """Processes of one site: they share a data folder, a database and a cache."""

    def __init__(self, folder: Path, model_dir: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "TRUSTED_PROXIES": "127.0.0.1",
            # Converted once, by the first process.
            "CONVERTED_DIR": str(folder / "converted"),
            **LIMITS,
        }
        self.model_dir = model_dir
        self.webs: list[Server] = []
        self.workers: list[Worker] = []
        for _ in range(3):
            self.add_web()

    def add_web(self, **settings: str) -> Server:
        """A further web process, which is not started."""
        settings = {"RUN_JOBS": "false", **self.settings, **settings}
        server = Server(self.folder, self.model_dir, **settings)
        server.log_path = self.folder / f"web-{len(self.webs)}.log"
        self.webs.append(server)
        return server

    @property
    def environment(self) -> dict[str, str]:
        return self.webs[0]._environment

    def prepare_at_once(self, processes: int) -> list[int]:
        """The exit codes of several ``manage.py prepare`` at once."""
        command = [sys.executable, "manage.py", "prepare"]
        started = [
            subprocess.Popen(command, cwd=ROOT, env=self.environment) for _ in range(processes)
        ]
        return [each.wait(300) for each in started]

    def start(self) -> None:
        with ThreadPoolExecutor(len(self.webs)) as threads:
            for done in [threads.submit(web.start) for web in self.webs]:
                done.result()

    def add_worker(self) -> Worker:
        log_path = self.folder / f"worker-{len(self.workers)}.log"
        worker = Worker(self.environment, log_path)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for each in (*self.webs, *self.workers):
            process = getattr(each, "process", None)
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def query(self, sql: str, *values: Any) -> list[tuple]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, values).fetchall()  # type: ignore[call-overload]

    def logs(self) -> str:
        paths = [each.log_path for each in (*self.webs, *self.workers)]
        return "\n".join(path.read_text(errors="replace") for path in paths)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    service = Postgres()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    service = Redis()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="session")
def site(
    postgres: Postgres, redis: Redis, toy_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that three processes prepared at once."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, toy_model_dir, postgres.create_database("site"), redis.url)
    try:
        assert site.prepare_at_once(3) == [0, 0, 0]
        site.start()
        yield site
    finally:
        site.stop()
        if os.environ.get("SHOW_LOGS"):
            print(site.logs())


@pytest.fixture(scope="session")
def nginx(site: Site) -> Iterator[Nginx]:
    """The proxy in front of the site's web processes."""
    service = Nginx([web.port for web in site.webs[:3]])
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG with a tomato."""
    output = io.BytesIO()
    cells_picture({(1, 0): RED}, 960).save(output, "PNG")
    return output.getvalue()


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 file with a tomato in each of ``CLIP_FRAMES`` frames."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(
        path, frames=CLIP_FRAMES, size_wh=(96, 96), cells=lambda number: {cell_of(number): RED}
    ).read_bytes()
