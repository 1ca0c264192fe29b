"""PostgreSQL, Redis and nginx from Debian's packages: own instances, in folders of their own.

As a program it runs a command on a new PostgreSQL and Redis, such as all other tests:

    python -m tests.cluster.services pytest
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
START_S = 60
# PostgreSQL refuses to run as root, and the others need not.
USER = "nobody" if os.name == "posix" and os.getuid() == 0 else None


def find_program(name: str, package: str) -> str:
    """The path of a program; without it the test is skipped."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, _postgres_folders())]
    path = shutil.which(name, path=os.pathsep.join(folders))
    if not path:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {package})")
    return path


def _postgres_folders() -> list[Path]:
    """Debian's folders of PostgreSQL's programs, the newest version first."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def wait_until(condition: Callable[[], Any], *, seconds: float = 60, pause_s: float = 0.05) -> Any:
    """The first true value of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(pause_s)
    return found


class Service:
    """A program that listens on ``port`` of the loopback interface."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        # Not pytest's folder, which other users may not enter.
        self.folder = Path(tempfile.mkdtemp(prefix=f"vision-{name}-"))
        self.log_path = self.folder / "log"
        if USER:
            shutil.chown(self.folder, USER)
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, user=USER, stdout=log, stderr=log
            )
        wait_until(self._listens, seconds=START_S)

    def stop(self) -> None:
        """End it at once, with the connections that it has."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait(START_S)

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        if self.process and self.process.poll() is None:
            self.go_on()
            self.stop()
        shutil.rmtree(self.folder)

    def _listens(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Postgres(Service):
    """PostgreSQL, with a superuser "vision" whom it trusts."""

    def __init__(self) -> None:
        initdb = find_program("initdb", "postgresql")
        self._program = find_program("postgres", "postgresql")
        super().__init__("postgres")
        options = ["--username", "vision", "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
        subprocess.run(
            [initdb, *options, self.folder / "data"],
            cwd=self.folder,
            user=USER,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def command(self) -> list[str]:
        places = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        return [self._program, *places, "-h", "127.0.0.1"]

    def start(self) -> None:
        super().start()
        wait_until(self._responds, seconds=START_S)

    def url(self, database: str) -> str:
        return f"postgres://vision@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database; returns its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _responds(self) -> bool:
        # While it starts up, it listens already.
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(Service):
    def __init__(self) -> None:
        self._program = find_program("redis-server", "redis-server")
        super().__init__("redis")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        places = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [self._program, *places, "--save", "", "--appendonly", "no"]


class Nginx(Service):
    """nginx with the site of ``deploy/nginx.conf``, without TLS, before some ``ports``."""

    def __init__(self, ports: list[int]) -> None:
        self._program = find_program("nginx", "nginx-light")
        super().__init__("nginx")
        self.url = f"http://127.0.0.1:{self.port}"
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{name}_temp_path {self.folder / name};\n" for name in names)
        whole = (
            f"pid {self.folder / 'pid'};\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}{self._site(ports)}\n}}\n"
        )
        (self.folder / "nginx.conf").write_text(whole)

    def command(self) -> list[str]:
        path = str(self.folder / "nginx.conf")
        return [self._program, "-c", path, "-e", "stderr", "-g", "daemon off;"]

    def _site(self, ports: list[int]) -> str:
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        # The server that redirects to https.
        text = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
        text = re.sub(r"    (ssl_\w+|listen \[::\].*?|server_name) ?[^;]*;\n", "", text)
        upstream = "".join(f"    server 127.0.0.1:{port};\n" for port in ports)
        text = text.replace("    server 127.0.0.1:8000;\n", upstream)
        # A browser names the port, too.
        text = text.replace("Host $host;", "Host $http_host;")
        text = text.replace("/var/log/nginx/", f"{self.folder}/")
        # All clients of the tests have one address.
        text = text.replace("limit_conn per_address 20;", "limit_conn per_address 1000;")
        return text.replace("listen 443 ssl;", f"listen 127.0.0.1:{self.port};")


def main() -> int:
    """Run the command of the arguments with ``DATABASE_URL`` and ``REDIS_URL``; its exit code."""
    postgres, redis = Postgres(), Redis()
    try:
        postgres.start()
        redis.start()
        urls = {"DATABASE_URL": postgres.url("postgres"), "REDIS_URL": redis.url}
        return subprocess.run(sys.argv[1:], env={**os.environ, **urls}).returncode
    finally:
        postgres.remove()
        redis.remove()


if __name__ == "__main__":
    sys.exit(main())
