"""Tests of the server process over real connections, including its shutdown."""

import http.client
import io
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network
from tests.conftest import NewServer, Server

API = "/api/detect/image/"


def picture_bytes() -> bytes:
    output = io.BytesIO()
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(output, "PNG")
    return output.getvalue()


def test_many_clients_at_once_are_all_answered(server: Server) -> None:
    def ask(_: int) -> list[str]:
        answer = requests.post(server.url + API, files={"image": picture_bytes()}, timeout=60)
        return [d["class_name"] for d in answer.json()["detections"]]

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, range(48)))

    assert answers == [["tomato", "plum"]] * 48


def test_a_body_with_a_too_large_content_length_is_refused_before_it_is_sent(
    server: Server,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", API)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(99 * 2**30))
    connection.endheaders()

    response = connection.getresponse()

    assert response.status == 413
    assert json.loads(response.read())["code"] == "body_too_large"
    connection.close()


def test_a_body_without_a_length_is_refused_before_it_is_sent(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", API)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()

    response = connection.getresponse()

    assert response.status == 411
    assert json.loads(response.read())["code"] == "length_required"
    connection.close()


def test_an_unknown_websocket_is_answered_and_closed(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/ws/nothing/"

    with connect(url, origin=Origin(server.url)) as websocket:
        message = json.loads(websocket.recv(timeout=10))
        with pytest.raises(ConnectionClosed, match="4404"):
            websocket.recv(timeout=10)

    assert message["status"] == 404


def test_pages_of_other_sites_cannot_open_websockets(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/ws/nothing/"

    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin=Origin("http://evil.example"))


def wait_until_refused(server: Server) -> None:
    """Wait until the server accepts no more connections."""
    deadline = time.monotonic() + 60
    with suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", server.port)).close()
            time.sleep(0.05)
        raise TimeoutError("the server still accepts connections")


def test_a_request_in_progress_is_answered_during_shutdown(new_server: NewServer) -> None:
    server = new_server()
    server.start()
    body = picture_bytes()
    head = (
        f"POST {API} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")

        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server)
        connection.sendall(body)

        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert len(json.loads(answer.read())["detections"]) == 2
    assert server.process.wait(30) in (0, -signal.SIGTERM)


def test_the_shipped_detector_is_used_until_another_is_installed(
    tmp_path: Path, new_server: NewServer
) -> None:
    server = new_server(tmp_path / "models")
    server.start()

    page = requests.get(f"{server.url}/detect-image/", timeout=5)
    answer = requests.post(server.url + API, files={"image": picture_bytes()}, timeout=60)
    install_toy_network(tmp_path / "models")
    better_page = requests.get(f"{server.url}/detect-image/", timeout=5)
    better = requests.post(server.url + API, files={"image": picture_bytes()}, timeout=60)
    server.stop()

    assert "Detector: <strong>vision-small</strong>" in page.text
    assert "trial model" in page.text
    assert (answer.status_code, answer.json()["model"]) == (200, "vision-small")
    assert "Detector: <strong>toy</strong>" in better_page.text
    assert "trial model" not in better_page.text
    assert [found["class_name"] for found in better.json()["detections"]] == ["tomato", "plum"]
