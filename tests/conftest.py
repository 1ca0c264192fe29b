"""Fixtures for end-to-end tests: a server in its own process, and a browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests
from filelock import FileLock
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

from ml_core.tests.toy_network import BLUE, RED, cells_picture

ROOT = Path(__file__).parent.parent
# With PostgreSQL, such as postgres://user@host/postgres, each server of the site has a database
# of its own there; and with a Redis, one of its 16 databases.
POSTGRES_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
# The same in all processes of a run.
PREPARED = "prepared_" + os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Chromium without its windows takes a quarter of the processor time. It cannot ask for
# permissions: an argument lets every page use the camera.
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
BROWSER = HEADLESS_SHELL if Path(HEADLESS_SHELL).exists() else CHROMIUM
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Converting a model on a busy machine takes most of it.
expect.set_options(timeout=60_000)
# A single test, which takes most of a minute.
LONGEST = "test_api_fuzz.py"
# Fields of a response whose picture could not be stored.
WITHOUT_ROOM = {
    "stored": False,
    "not_stored": {"status": 413, "code": "quota_exceeded", "detail": "There is no room."},
}


class Server:
    """A ``manage.py serve`` process with its own data folder; made by ``new_server``."""

    def __init__(self, data_dir: Path, model_dir: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.model_dir = model_dir
        self.settings = settings
        self.log_path = data_dir / "server.log"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = {
            **kept,
            "DATA_DIR": str(data_dir),
            "CONVERTED_DIR": str(ROOT / "var" / "test-converted"),
            "MODEL_DIR": str(model_dir),
            "PORT": str(self.port),
            **settings,
        }

    def manage(self, *arguments: str) -> None:
        self._run("manage.py", *arguments)

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, *arguments]
        subprocess.run(command, cwd=ROOT, env=self._environment, check=True)

    def start(self, probe: str = "/readyz") -> None:
        """Start the server and wait until ``probe`` succeeds; ``/readyz`` means warm models."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # Converting a model on a busy machine takes minutes.
        deadline = time.monotonic() + 300
        while not self._answers(probe):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise AssertionError(self.log_path.read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def _answers(self, probe: str) -> bool:
        try:
            return requests.get(self.url + probe, timeout=5).ok
        except requests.RequestException:
            return False


def shared_services(database: str, template: str = "template1") -> dict[str, str]:
    """Settings of a server with a new database, a copy of another; none if all is on SQLite."""
    if not POSTGRES_URL:
        return {}
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        count = connection.execute("SELECT count(*) FROM pg_database").fetchone()
    found = {"DATABASE_URL": f"{POSTGRES_URL.rpartition('/')[0]}/{database}"}
    if REDIS_URL:
        found["REDIS_URL"] = f"{REDIS_URL.rpartition('/')[0]}/{count[0] % 16}"  # type: ignore[index]
    return found


def new_token(server: Server, username: str) -> str:
    """The API token of a new account."""
    session = requests.Session()

    def send(path: str, **form: str) -> str:
        session.get(server.url + path).raise_for_status()
        form["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
        answer = session.post(server.url + path, data=form)
        answer.raise_for_status()
        return answer.text

    password = "a rather long sentence"
    send("/accounts/sign-up/", username=username, password1=password, password2=password)
    match = re.search(r"vision_[\w-]+", send("/accounts/tokens/", name="examples"))
    assert match
    return match[0]


@contextmanager
def browser_with_camera(
    playwright: Playwright, clip: Path | None = None, *, knows_permissions: bool = False
) -> Iterator[Browser]:
    """A Chromium whose only camera shows a video file, or else a test picture, over and over."""
    path = CHROMIUM if knows_permissions else BROWSER
    arguments = [*CHROMIUM_ARGUMENTS, "--use-fake-device-for-media-stream"]
    if clip:
        arguments.append(f"--use-file-for-fake-video-capture={clip}")
    if not knows_permissions:
        arguments.append("--use-fake-ui-for-media-stream")
    browser = playwright.chromium.launch(executable_path=path, args=arguments)
    yield browser
    browser.close()


def wait_for_repaints(page: Page) -> None:
    """Wait until the browser has repainted the page often enough to show a frame in flight."""
    page.evaluate(
        """async () => {
          for (let count = 0; count < 30; count += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files, so that none is left to one worker at the end."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name != LONGEST, -tests[item.path]))


@pytest.fixture(scope="session")
def prepared_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database and collected static files, made once per run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The processes of the run share the parent folder.
        folder = folder.parent
    prepared, part = folder / "prepared", folder / "prepared.part"
    with FileLock(folder / "prepared.lock"):
        if not prepared.exists():
            settings = shared_services(PREPARED)
            server = Server(part, part / "models", **settings)
            server.manage("prepare")
            part.rename(prepared)
    return prepared


NewServer = Callable[..., Server]


@pytest.fixture(scope="session")
def new_server(
    tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path, toy_model_dir: Path
) -> NewServer:
    """Makes servers that the tests start and stop, from a model folder and settings."""

    def make(model_dir: Path = toy_model_dir, **settings: str) -> Server:
        data_dir = tmp_path_factory.mktemp("data")
        shutil.copytree(prepared_data_dir, data_dir, dirs_exist_ok=True)
        services = shared_services(f"site_{uuid.uuid4().hex}", PREPARED)
        return Server(data_dir, model_dir, **services, **settings)

    return make


@pytest.fixture(scope="session")
def server(new_server: NewServer) -> Iterator[Server]:
    """One server for all tests; a test that stops it has to start it again."""
    server = new_server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_server(new_server: NewServer) -> Iterator[Server]:
    """A separate server that a module may kill, restart or fill."""
    server = new_server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def picture_path(tmp_path: Path) -> Path:
    """960 x 960 pixels with a tomato in the upper middle and a plum at the lower right."""
    path = tmp_path / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    return path


@pytest.fixture(scope="session")
def base_url(server: Server) -> str:
    return server.url


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return {
        **browser_type_launch_args,
        "executable_path": BROWSER,
        "args": CHROMIUM_ARGUMENTS,
    }


@pytest.fixture
def console_errors(page: Page) -> Iterator[list[str]]:
    """Errors in the browser console; tests remove expected ones, any others fail the test."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield errors
    assert errors == []
