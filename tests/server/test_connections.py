"""Tests of connection limits and timeouts against a real server."""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.conftest import NewServer, Server

API = "/api/detect/image/"
CONNECTIONS, OF_ADDRESS = 12, 5
SOCKETS, SOCKETS_OF_ADDRESS = 4, 2
WINDOW_S, WINDOW_BYTES = 3, 3000


@pytest.fixture(scope="module")
def small_server(new_server: NewServer) -> Iterator[Server]:
    """A server with low limits that trusts X-Forwarded-For, which the tests set."""
    limits = {
        "CONNECTIONS": CONNECTIONS,
        "CONNECTIONS_PER_ADDRESS": OF_ADDRESS,
        "WEBSOCKETS": SOCKETS,
        "WEBSOCKETS_PER_ADDRESS": SOCKETS_OF_ADDRESS,
        "SLOW_BODY_SECONDS": WINDOW_S,
        "SLOW_BODY_BYTES": WINDOW_BYTES,
        "HEADERS_SECONDS": 3,
    }
    settings = {f"LIMIT_{name}": str(value) for name, value in limits.items()}
    server = new_server(TRUSTED_PROXIES="127.0.0.1", **settings)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """Closes the connections of a test."""
    with contextlib.ExitStack() as stack:
        yield stack


def ask(server: Server, path: str, address: str = "192.0.2.99", **more) -> requests.Response:
    headers = {"X-Forwarded-For": address, **more.pop("headers", {})}
    method = more.pop("method", "GET")
    return requests.request(method, server.url + path, headers=headers, timeout=20, **more)


def open_post(server: Server, address: str, length: int, path: str = API) -> socket.socket:
    """Send the headers of a request without its body."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n"
        f"Content-Type: image/png\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def answer_to(connection: socket.socket) -> tuple[int, dict]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def ask_until(
    status: int, server: Server, path: str, address: str = "192.0.2.99", **more
) -> requests.Response:
    """Repeat a request until the response has this status; returns that response."""
    deadline = time.monotonic() + 20
    while (answer := ask(server, path, address, **more)).status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def sending_posts(server: Server, addresses: list[str]) -> Iterator[None]:
    """Open a request from each address, and send their bodies so that none times out.

    Also while later ones are opened: on a busy machine this takes long. A request that ends
    nevertheless is opened again.
    """
    ended = threading.Event()
    with contextlib.ExitStack() as opened:

        def opened_post(address: str) -> socket.socket:
            return opened.enter_context(open_post(server, address, 10**6))

        def send() -> None:
            while not ended.wait(WINDOW_S / 10):
                for number, post in enumerate(posts):
                    try:
                        post.sendall(b"x" * WINDOW_BYTES)
                    except OSError:
                        posts[number] = opened_post(addresses[number])

        posts: list[socket.socket] = []
        thread = threading.Thread(target=send)
        thread.start()
        try:
            for address in addresses:
                posts.append(opened_post(address))
            yield
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    ("beginning", "more"),
    [(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"x"), (b"\r\n", b"\r\n"), (b"", b"")],
)
def test_210_idle_connections_do_not_block_other_clients(
    server: Server, opened, beginning: bytes, more: bytes
) -> None:
    slow = []
    for _ in range(210):
        connection = socket.create_connection(("127.0.0.1", server.port))
        slow.append(opened.enter_context(connection))
        connection.sendall(beginning)

    statuses = []
    for path in ("/livez", "/detect-image/", "/livez"):
        statuses.append(requests.get(server.url + path, timeout=20).status_code)
        for connection in slow:
            # The server may have closed the connection.
            with contextlib.suppress(OSError):
                connection.sendall(more)

    assert statuses == [200, 200, 200]


def test_incomplete_bodies_of_one_address_do_not_block_others_and_time_out(
    small_server: Server, opened
) -> None:
    address = "192.0.2.1"
    slow = [
        opened.enter_context(open_post(small_server, address, 10**6)) for _ in range(OF_ADDRESS)
    ]
    refused = ask_until(429, small_server, "/", address)
    answers = [ask(small_server, path).status_code for path in ("/", "/livez", "/readyz")]
    cut_off = [answer_to(connection) for connection in slow]

    assert refused.json()["code"] == "too_many_connections"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    assert answers == [200, 200, 200]
    assert {(status, body["code"]) for status, body in cut_off} == {(408, "body_too_slow")}
    assert all(connection.recv(1) == b"" for connection in slow)
    ask_until(200, small_server, "/", address)


def test_addresses_with_many_requests_do_not_block_other_addresses(small_server: Server) -> None:
    addresses = [f"192.0.2.{number % 3}" for number in range(CONNECTIONS)]
    with sending_posts(small_server, addresses):
        ask_until(503, small_server, "/", "192.0.2.0")

        assert ask(small_server, "/", "192.0.2.7").status_code == 200


def test_addresses_of_an_ipv6_network_share_one_limit(small_server: Server) -> None:
    addresses = [f"2001:db8:1:2::{number}" for number in range(OF_ADDRESS)]
    with sending_posts(small_server, addresses):
        ask_until(429, small_server, "/", "2001:db8:1:2:ffff::1")
        assert ask(small_server, "/", "2001:db8:1:3::1").status_code == 200


def test_probes_are_answered_at_the_connection_limit(small_server: Server) -> None:
    addresses = [f"192.0.2.{number}" for number in range(CONNECTIONS)]
    with sending_posts(small_server, addresses):
        ask_until(503, small_server, "/")
        probes = [ask(small_server, path).status_code for path in ("/livez", "/readyz")]
        with_body = ask_until(503, small_server, "/livez", method="POST", data=b"x")

    assert probes == [200, 200]
    assert with_body.json()["code"] == "too_many_connections"


def test_a_slow_but_steady_body_is_read_completely(small_server: Server, opened) -> None:
    # 2 kB per second over four time windows.
    connection = opened.enter_context(open_post(small_server, "192.0.2.1", 24 * 1000))

    for _ in range(24):
        connection.sendall(b"x" * 1000)
        time.sleep(0.5)

    status, body = answer_to(connection)
    assert (status, body["code"]) == (415, "unsupported_media_type")


def test_a_body_that_trickles_in_times_out(small_server: Server, opened) -> None:
    connection = opened.enter_context(open_post(small_server, "192.0.2.1", 10**6))

    connection.sendall(b"x" * (WINDOW_BYTES - 1))

    status, body = answer_to(connection)
    assert (status, body["code"]) == (408, "body_too_slow")


def test_slow_headers_close_the_connection(small_server: Server, opened) -> None:
    connection = opened.enter_context(
        socket.create_connection(("127.0.0.1", small_server.port), timeout=20)
    )
    connection.sendall(b"GET / HTTP/1.1\r\nX-A: ")

    def is_closed() -> bool:
        connection.sendall(b"x")
        connection.setblocking(False)
        try:
            return connection.recv(1) == b""
        except BlockingIOError:
            return False
        finally:
            connection.setblocking(True)

    with contextlib.suppress(ConnectionError):
        wait_until(is_closed)


def test_bytes_beyond_the_announced_length_belong_to_the_next_request(
    small_server: Server, opened
) -> None:
    connection = opened.enter_context(open_post(small_server, "192.0.2.1", 3))

    connection.sendall(b"xyz" + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")

    received = b""
    while b"alive" not in received:
        received += connection.recv(4096) or pytest.fail("The connection was closed.")
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"415", b"200"]


def watch(server: Server, address: str) -> ClientConnection:
    url = server.url.replace("http", "ws") + "/ws/camera/"
    headers = {"X-Forwarded-For": address}
    return connect(url, origin=Origin(server.url), additional_headers=headers)


def test_websockets_have_their_own_limits(small_server: Server, opened) -> None:
    sockets = [
        opened.enter_context(watch(small_server, f"192.0.2.{number // SOCKETS_OF_ADDRESS}"))
        for number in range(SOCKETS - 1)
    ]
    with pytest.raises(InvalidStatus) as of_address:
        opened.enter_context(watch(small_server, "192.0.2.0"))
    sockets.append(opened.enter_context(watch(small_server, "192.0.2.6")))
    with pytest.raises(InvalidStatus) as of_all:
        opened.enter_context(watch(small_server, "192.0.2.7"))
    pages = [ask(small_server, "/", "192.0.2.0").status_code for _ in range(CONNECTIONS)]

    assert of_address.value.response.status_code == 429
    assert json.loads(of_address.value.response.body)["code"] == "too_many_connections"
    assert of_all.value.response.status_code == 503
    assert set(pages) == {200}
    # Deadlines of requests, such as of this one, do not apply to WebSockets.
    slow = opened.enter_context(open_post(small_server, "192.0.2.8", 10**6))
    assert answer_to(slow)[0] == 408
    for websocket in sockets:
        websocket.ping().wait(10)


def test_closing_a_websocket_admits_another(small_server: Server) -> None:
    def can_open() -> bool:
        try:
            with watch(small_server, "192.0.2.5"):
                return True
        except InvalidStatus:
            return False

    for _ in range(2 * SOCKETS):
        wait_until(can_open)
