"""An HTTP client of the site, and the tracebacks in the server's log."""

import hashlib
import re
from typing import Any

import requests

from tests.conftest import Server

CHUNK_TYPE = "application/offset+octet-stream"
CHUNK_BYTES = 5 * 10**6
TIMEOUT_S = 60


class Client:
    """A user of the site: an anonymous visitor, or after ``sign_up`` an account."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()

    def ask(self, method: str, path: str, **parameters: Any) -> requests.Response:
        if token := self.session.cookies.get("csrftoken"):
            parameters["headers"] = {**parameters.get("headers", {}), "X-CSRFToken": token}
        url = self.server.url + path
        return self.session.request(method, url, timeout=TIMEOUT_S, **parameters)

    def sign_up(self, name: str) -> None:
        password = f"the password of {name}"
        self.ask("GET", "/accounts/sign-up/")
        form = {"username": name, "password1": password, "password2": password}
        form["csrfmiddlewaretoken"] = self.session.cookies["csrftoken"]
        page = self.ask("POST", "/accounts/sign-up/", data=form)
        assert page.ok and name in page.text

    def classify(self, picture: bytes) -> requests.Response:
        return self.ask("POST", "/api/classify/", files={"image": picture}, data={"store": "true"})

    def detect(self, picture: bytes, **form: str) -> requests.Response:
        return self.ask("POST", "/api/detect/image/", files={"image": picture}, data=form)

    def announce(self, data: bytes) -> requests.Response:
        sha256 = hashlib.sha256(data).hexdigest()
        body = {"name": "clip.mp4", "size_bytes": len(data), "sha256": sha256}
        return self.ask("POST", "/api/videos/", json=body)

    def send_chunk(self, upload_path: str, chunk: bytes, offset: int) -> requests.Response:
        headers = {"Content-Type": CHUNK_TYPE, "Upload-Offset": str(offset)}
        return self.ask("PATCH", upload_path, data=chunk, headers=headers)

    def send_video(self, data: bytes) -> dict[str, Any]:
        """Upload a video, resuming an interrupted upload, and return its JSON."""
        announced = self.announce(data)
        announced.raise_for_status()
        video = announced.json()
        upload = video["urls"]["upload"]
        answer = self.ask("HEAD", upload)
        answer.raise_for_status()
        offset = int(answer.headers["Upload-Offset"])
        # At least one chunk is sent, as the server may have been killed before it completed the
        # upload of a file whose bytes it had all received.
        while True:
            chunk = data[offset : offset + CHUNK_BYTES]
            self.send_chunk(upload, chunk, offset).raise_for_status()
            offset += len(chunk)
            if offset == len(data):
                break
        return video


def unique_clip(clip: bytes, number: int) -> bytes:
    """The same video with an empty MP4 box that players skip, so that its hash is unique."""
    return clip + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")


def tracebacks(server: Server) -> list[str]:
    """The last line of each traceback in the server's log."""
    log = server.log_path.read_text(encoding="utf-8", errors="replace")
    return re.findall(r"^Traceback .*?\n(?:[ \t].*\n|\n)*(\S.*)$", log, re.MULTILINE)
