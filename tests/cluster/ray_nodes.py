"""Ray nodes on this machine, in a network of their own, for the tests of the cluster.

Ray listens on all addresses without authentication, so its processes run in a network namespace
that has nothing but loopback. Each node has a process namespace: killing its first process kills
the whole node at once, as if its machine had lost power.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
CLONE_NEWNET = 0x40000000
GCS = "127.0.0.1:6380"
DASHBOARD = "http://127.0.0.1:8265"
REDIS_PORT = 6399
START_SECONDS = 180


@contextmanager
def network_namespace() -> Iterator[None]:
    """This thread, and processes that it starts, are in a network of their own meanwhile.

    Raises ``OSError`` where that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as former:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "a network namespace requires root")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            libc.setns(former.fileno(), CLONE_NEWNET)


class Node:
    """A Ray node with one CPU; the first one is the head, with the dashboard."""

    def __init__(self, python: Path, number: int, logs: Path, sessions: str, path: str) -> None:
        self._python, self._number, self._path = python, number, path
        self._sessions = sessions
        self._log = logs / f"node-{number}.log"
        self.grpc_target = f"127.0.0.1:{9000 + number}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        ray = [self._python.with_name("ray"), "start", "--block", "--disable-usage-stats"]
        address = [f"--node-ip-address=127.0.0.{self._number}", "--num-cpus=1"]
        if self._number == 1:
            address += ["--head", "--port=6380", "--include-dashboard=true"]
            address += ["--dashboard-host=127.0.0.1"]
        else:
            address.append(f"--address={GCS}")
        environment = {
            **os.environ,
            "PYTHONPATH": self._path,
            "PATH": f"{self._python.parent}:{os.environ['PATH']}",
            "RAY_TMPDIR": self._sessions,
            # State in Redis, so that a restarted head goes on.
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{REDIS_PORT}",
            # Two proxies on one machine need ports of their own.
            "RAY_SERVE_WORKER_PROXY_GRPC_PORT": str(9000 + self._number),
            "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(8100 + self._number),
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *ray, *address],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep_running(self) -> None:
        """Start the node again if Ray gave up, as it does on a busy machine: 15 s are its limit.

        Where it matters, a service manager does the same.
        """
        if self._process and self._process.poll() is not None:
            self.start()

    def kill(self) -> None:
        """End all processes of the node at once."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def applications() -> dict[str, str]:
    """The state of each application, such as RUNNING; empty while the head does not answer."""
    try:
        answer = requests.get(f"{DASHBOARD}/api/serve/applications/", timeout=5)
        answer.raise_for_status()
    except requests.RequestException:
        return {}
    return {name: each["status"] for name, each in answer.json()["applications"].items()}


def running_replicas(name: str) -> int:
    """The number of replicas of an application that run."""
    answer = requests.get(f"{DASHBOARD}/api/serve/applications/", timeout=5).json()
    deployments = answer["applications"].get(name, {}).get("deployments", {}).values()
    replicas = [replica for each in deployments for replica in each["replicas"]]
    return sum(replica["state"] == "RUNNING" for replica in replicas)


def replica_pids(name: str) -> list[int]:
    """The processes of an application's replicas, by the titles that Ray gives them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if title.startswith(f"ray::ServeReplica:{name}:"):
            found.append(int(path.parent.name))
    return found


def wait_for(condition, what: str, seconds: float = START_SECONDS) -> float:
    """Wait until ``condition()``; the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what} took longer than {seconds} s"
        time.sleep(0.25)
    return time.monotonic() - started
