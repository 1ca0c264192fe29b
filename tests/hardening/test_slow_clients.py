"""Deliberately slow clients must not block the others."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.conftest import Server
from tests.hardening.client import Client

SECONDS = 60
# Client addresses of the slow clients; the others use 127.0.0.1.
ATTACKERS = [f"127.0.0.{number}" for number in range(2, 8)]
HEAD = (
    b"POST /api/detect/image/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: image/png\r\nContent-Length: 1000000\r\n\r\n"
)


class NormalClient(threading.Thread):
    """Requests ``/livez`` and a detection once a second each."""

    def __init__(self, server: Server, picture: bytes) -> None:
        super().__init__()
        self.client, self.picture = Client(server), picture
        self.ended = threading.Event()
        self.probes: list[int] = []
        self.answers: list[int] = []

    def run(self) -> None:
        while not self.ended.wait(1):
            self.probes.append(self.status(lambda: self.client.ask("GET", "/livez")))
            self.answers.append(self.status(lambda: self.client.detect(self.picture)))

    def status(self, ask: Callable[[], requests.Response]) -> int:
        try:
            return ask().status_code
        except requests.RequestException:
            return 0


@contextmanager
def others_are_served(server: Server, picture: bytes) -> Iterator[None]:
    """Check that a normal client gets all its responses while the block runs."""
    normal = NormalClient(server, picture)
    normal.start()
    try:
        yield
    finally:
        normal.ended.set()
        normal.join()
    print(f"\n{len(normal.probes)} probes and {len(normal.answers)} pictures answered")
    assert set(normal.probes) == {200}
    assert set(normal.answers) == {200}


def connected(stack: ExitStack, server: Server, number: int) -> socket.socket:
    source = (ATTACKERS[number % len(ATTACKERS)], 0)
    address = ("127.0.0.1", server.port)
    return stack.enter_context(socket.create_connection(address, source_address=source))


def drip(connections: list[socket.socket], byte: bytes, every_s: float) -> None:
    """Send ``byte`` repeatedly on each connection that is still open."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for connection in list(connections):
            try:
                connection.sendall(byte)
            except OSError:
                connections.remove(connection)
        time.sleep(every_s)


@pytest.mark.parametrize("count", [6, 60, 210])
def test_incomplete_bodies_do_not_block_other_clients(
    own_server: Server, picture: bytes, count: int
) -> None:
    with others_are_served(own_server, picture), ExitStack() as stack:
        connections = [connected(stack, own_server, number) for number in range(count)]
        for connection in connections:
            connection.sendall(HEAD + b"\x89PNG")
        drip(connections, b"", 3)


@pytest.mark.parametrize("beginning", [HEAD, b"GET / HTTP/1.1\r\nX: ", b""])
def test_a_byte_every_three_seconds_does_not_block_other_clients(
    own_server: Server, picture: bytes, beginning: bytes
) -> None:
    with others_are_served(own_server, picture), ExitStack() as stack:
        connections = [connected(stack, own_server, number) for number in range(210)]
        for connection in connections:
            connection.sendall(beginning)
        drip(connections, b"\n" if not beginning else b"x", 3)


def test_sockets_that_never_read_or_send_nothing_do_not_block_other_clients(
    own_server: Server, picture: bytes, clip: bytes
) -> None:
    watcher = Client(own_server)
    video = watcher.send_video(clip)
    cookies = "; ".join(f"{name}={value}" for name, value in watcher.session.cookies.items())
    address = own_server.url.replace("http", "ws")
    with others_are_served(own_server, picture), ExitStack() as stack:
        for path in ["/ws/camera/"] * 60 + [video["urls"]["socket"]] * 60:
            try:
                websocket = stack.enter_context(
                    connect(
                        address + path,
                        origin=Origin(own_server.url),
                        additional_headers={"Cookie": cookies},
                        max_queue=1,
                    )
                )
                start = {"type": "start", "mode": "frames", "from": 0, "credit": 1000}
                websocket.send(json.dumps(start))
            except (OSError, Exception):  # noqa: B014
                # Rejected or closed at once, above the limits.
                continue
        time.sleep(SECONDS)


def test_announced_videos_without_data_do_not_use_up_the_storage(
    own_server: Server, picture: bytes
) -> None:
    with others_are_served(own_server, picture):
        statuses = []
        for number in range(65):
            body = {"name": f"{number}.mp4", "size_bytes": 500 * 10**6}
            answer = Client(own_server).ask("POST", "/api/videos/", json=body)
            statuses.append(answer.status_code)
        # Pictures can still be stored.
        stored = Client(own_server).detect(picture, store="true")
        time.sleep(5)

    assert all(status in (201, 413, 429) for status in statuses), statuses
    assert stored.status_code == 200 and stored.json()["id"]
