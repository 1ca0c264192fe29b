"""Connections that clients reset at any moment must not log tracebacks."""

import base64
import io
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from detect_camera.frames import frame_message
from detect_video.conftest import write_tomatoes
from ml_core.tests.toy_network import RED, cells_picture
from tests.conftest import NewServer, Server

TIMES = 2


@pytest.fixture(scope="module")
def own_server(new_server: NewServer) -> Iterator[Server]:
    """A separate server with its own log; its models need not be warm."""
    server = new_server()
    server.start("/livez")
    yield server
    server.stop()


class Tab:
    """A connection that is closed with a TCP reset, as when the client is killed."""

    def __init__(self, server: Server, client: requests.Session) -> None:
        self.server, self.client = server, client
        self.connection = socket.create_connection(("127.0.0.1", server.port), timeout=120)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Send a request; ``body`` may be shorter than the ``content_length`` that it states."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        lines = {
            "Host": f"127.0.0.1:{self.server.port}",
            "Cookie": cookies,
            "X-CSRFToken": self.client.cookies.get("csrftoken", ""),
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def open_socket(self, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Content_Length": ""}
        headers |= {"Sec_WebSocket_Key": key, "Sec_WebSocket_Version": "13"}
        self.request("GET", path, Origin=self.server.url, **headers)

    def send_message(self, data: bytes | dict) -> None:
        """Send a WebSocket message with an all-zero mask."""
        opcode = 0x82 if isinstance(data, bytes) else 0x81
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.connection.sendall(struct.pack(">BBHI", opcode, 0xFE, len(payload), 0) + payload)

    def read_until(self, text: bytes) -> None:
        received = b""
        while text not in received:
            part = self.connection.recv(2**16)
            assert part, received
            received += part

    def close(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@pytest.fixture
def video(own_server: Server, tmp_path: Path) -> tuple[requests.Session, dict]:
    clip = write_tomatoes(tmp_path / "clip.mp4", 200).read_bytes()
    client = requests.Session()
    body = {"name": "clip.mp4", "size_bytes": len(clip)}
    found = client.post(f"{own_server.url}/api/videos/", json=body, timeout=60).json()
    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    url = own_server.url + found["urls"]["upload"]
    client.patch(url, clip, headers=headers, timeout=60).raise_for_status()
    return client, found


def picture() -> bytes:
    output = io.BytesIO()
    cells_picture({(1, 0): RED}, 960).save(output, "JPEG")
    return output.getvalue()


def test_closed_tabs_leave_no_traceback_in_the_log(
    own_server: Server, video: tuple[requests.Session, dict]
) -> None:
    client, found = video
    jpeg = picture()
    start = {"type": "start", "mode": "frames", "from": 0, "credit": 64}
    page = found["urls"]["page"]

    def tab() -> Tab:
        return Tab(own_server, client)

    for pause_s in [0, 0.01, 0.05, 0.2, 0.5] * TIMES:
        for path in ("/ws/camera/", found["urls"]["socket"], "/ws/nothing/"):
            connected = tab()
            connected.open_socket(path)
            time.sleep(pause_s)
            connected.close()
        viewer = tab()
        viewer.open_socket(found["urls"]["socket"])
        viewer.read_until(b'"info"')
        viewer.send_message(start)
        viewer.send_message({**start, "mode": "results"})
        viewer.send_message(start)
        time.sleep(pause_s)
        viewer.close()
        for body, length in ((jpeg, len(jpeg)), (jpeg[:100], len(jpeg))):
            sender = tab()
            headers = {"Content_Type": "image/jpeg", "Content_Length": str(length)}
            sender.request("POST", "/api/detect/image/", body, **headers)
            time.sleep(pause_s)
            sender.close()
        for path in (found["urls"]["file"], found["urls"]["results_jsonl"], page, "/classify/"):
            reader = tab()
            reader.request("GET", path)
            time.sleep(pause_s)
            reader.close()

    camera = tab()
    camera.open_socket("/ws/camera/")
    camera.read_until(b'"ready"')
    for number in range(30):
        camera.send_message(frame_message(number, jpeg[: 2**15], 0))
    camera.close()
    # Ends all connections.
    own_server.stop()

    log = own_server.log_path.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:6000]
    assert "ERROR" not in log.replace("ERROR django.request", ""), log
