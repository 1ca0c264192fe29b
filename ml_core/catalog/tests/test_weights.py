"""Downloads from a real local HTTP server that misbehaves on request."""

import hashlib
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from filelock import FileLock

from ml_core.catalog import downloads, weights
from ml_core.catalog.downloads import BLOCK_BYTES
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.errors import DownloadFailed, ModelUnusable

CONTENT = bytes(range(256)) * 4000
CONFIG = b"[net]\n"


@dataclass
class Mirror:
    """The server's address, where it drops connections, and the requests it received."""

    address: str = ""
    break_off_at: list[int] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    state = Mirror()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested_range = self.headers.get("Range")
            state.requests.append((self.path, requested_range))
            if self.path == "/html":
                self.answer(200, b"<html>moved</html>", "text/html; charset=utf-8")
            elif self.path == "/missing":
                self.answer(404, b"")
            elif self.path == "/config":
                self.answer(200, CONFIG)
            elif self.path == "/damaged":
                self.answer(200, CONTENT[:-1] + b"x")
            elif self.path == "/short":
                self.answer(200, CONTENT[:-1])
            elif requested_range and self.path != "/no-ranges":
                start = int(requested_range.removeprefix("bytes=").removesuffix("-"))
                self.answer(206, CONTENT[start:])
            else:
                self.answer(200, CONTENT)

        def answer(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.break_off_at:
                body = body[: state.break_off_at.pop(0)]
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        server.shutdown()


def make_spec(directory: Path, mirror: Mirror, *paths: str) -> ModelSpec:
    return ModelSpec(
        name="net",
        task="detection",
        family="test",
        directory=directory,
        format="darknet",
        files=(
            ModelFile(
                "net.cfg",
                len(CONFIG),
                hashlib.sha256(CONFIG).hexdigest(),
                (f"{mirror.address}/config",),
            ),
            ModelFile(
                "net.weights",
                len(CONTENT),
                hashlib.sha256(CONTENT).hexdigest(),
                tuple(f"{mirror.address}{path}" for path in paths),
            ),
        ),
        input_wh=(96, 96),
        resizing="stretch",
    )


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_are_fetched_and_checked(tmp_path, mirror):
    spec = make_spec(tmp_path / "models", mirror, "/weights")

    weights.fetch(spec)

    assert spec.is_installed
    assert spec.paths[1].read_bytes() == CONTENT
    assert files_in(spec.directory) == {"net.cfg", "net.weights"}
    weights.verify(spec)


def test_existing_files_are_not_downloaded_again(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")
    weights.fetch(spec)
    mirror.requests.clear()

    weights.fetch(spec)

    assert mirror.requests == []


def test_a_broken_connection_resumes_where_it_stopped(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")
    tmp_path.joinpath("net.cfg").write_bytes(CONFIG)
    mirror.break_off_at = [BLOCK_BYTES, BLOCK_BYTES]

    weights.fetch(spec)

    assert spec.paths[1].read_bytes() == CONTENT
    assert mirror.requests == [
        ("/weights", None),
        ("/weights", f"bytes={BLOCK_BYTES}-"),
        ("/weights", f"bytes={2 * BLOCK_BYTES}-"),
    ]


def test_an_interrupted_download_resumes_in_a_later_call(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")
    mirror.break_off_at = [len(CONFIG), BLOCK_BYTES, 0, 0]
    with pytest.raises(DownloadFailed, match="net.weights could not be fetched"):
        weights.fetch(spec)
    assert not spec.is_installed
    mirror.requests.clear()

    weights.fetch(spec)

    assert mirror.requests == [("/weights", f"bytes={BLOCK_BYTES}-")]
    assert spec.paths[1].read_bytes() == CONTENT


def test_without_range_support_a_download_starts_over(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/no-ranges")
    tmp_path.joinpath("net.weights.part").write_bytes(CONTENT[:1000])

    weights.fetch(spec)

    assert spec.paths[1].read_bytes() == CONTENT


def test_a_complete_but_not_renamed_download_is_used(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/missing")
    tmp_path.joinpath("net.weights.part").write_bytes(CONTENT)

    weights.fetch(spec)

    assert spec.paths[1].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/html", "HTML page instead of the file"),
        ("/missing", "404"),
        ("/short", "offers 1,023,999 bytes; expected 1,024,000"),
        ("/damaged", "has SHA-256 .*; expected"),
    ],
)
def test_a_wrong_file_is_refused_and_leaves_nothing_behind(tmp_path, mirror, path, reason):
    spec = make_spec(tmp_path, mirror, path)

    with pytest.raises(DownloadFailed, match=reason):
        weights.fetch(spec)

    assert files_in(tmp_path) == {"net.cfg"}


def test_the_next_mirror_is_tried_when_one_fails(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/html", "/damaged", "/weights")

    weights.fetch(spec)

    assert spec.paths[1].read_bytes() == CONTENT


def test_a_host_that_does_not_accept_connections_is_tried_once(tmp_path, mirror, monkeypatch):
    tried = []

    def time_out(url: str, *args: object) -> None:
        tried.append(url)
        raise requests.ConnectTimeout

    spec = make_spec(tmp_path, mirror, "/weights", "/other")
    tmp_path.joinpath("net.cfg").write_bytes(CONFIG)
    monkeypatch.setattr(downloads, "_append", time_out)

    with pytest.raises(DownloadFailed):
        weights.fetch(spec)

    assert tried == [f"{mirror.address}/weights"]


def test_only_one_process_fetches_a_file(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")

    with (
        FileLock(tmp_path / ".net.cfg.lock"),
        pytest.raises(DownloadFailed, match="Another process is fetching net.cfg"),
    ):
        weights.fetch(spec)


def test_the_lock_of_a_killed_process_does_not_stop_a_download(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")
    lock_path = tmp_path / ".net.weights.lock"
    program = "import os, sys, filelock; filelock.FileLock(sys.argv[1]).acquire(); os.abort()"
    subprocess.run([sys.executable, "-c", program, lock_path], check=False)
    assert lock_path.exists()

    weights.fetch(spec)

    assert files_in(tmp_path) == {"net.cfg", "net.weights"}


def test_files_are_copied_from_a_folder(tmp_path, mirror):
    source = tmp_path / "usb"
    source.mkdir()
    source.joinpath("net.cfg").write_bytes(CONFIG)
    source.joinpath("net.weights").write_bytes(CONTENT)
    spec = make_spec(tmp_path / "models", mirror)

    weights.copy_from(source, spec)

    assert files_in(spec.directory) == {"net.cfg", "net.weights"}


def test_wrong_files_are_not_copied(tmp_path, mirror):
    source = tmp_path / "usb"
    source.mkdir()
    source.joinpath("net.cfg").write_bytes(CONFIG)
    spec = make_spec(tmp_path / "models", mirror)

    with pytest.raises(DownloadFailed, match="net.weights is not there"):
        weights.copy_from(source, spec)
    source.joinpath("net.weights").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadFailed, match="has 1,023,999 bytes; expected 1,024,000"):
        weights.copy_from(source, spec)

    assert not spec.is_installed


def test_a_flipped_byte_makes_a_model_unusable(tmp_path, mirror):
    spec = make_spec(tmp_path, mirror, "/weights")
    weights.fetch(spec)
    spec.paths[1].write_bytes(CONTENT[:-1] + b"x")

    with pytest.raises(ModelUnusable, match="has SHA-256"):
        weights.verify(spec)


def test_a_running_server_is_reachable_and_a_stopped_one_is_not(tmp_path, mirror):
    gone = Mirror(address="http://127.0.0.1:9")

    assert weights.any_reachable([make_spec(tmp_path, mirror, "/weights")], timeout_s=5)
    assert not weights.any_reachable([make_spec(tmp_path, gone, "/weights")], timeout_s=5)


def test_unresponsive_servers_time_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = Mirror(address=f"http://127.0.0.1:{silent.getsockname()[1]}")

        reachable = weights.any_reachable([make_spec(tmp_path, mirror, "/weights")], timeout_s=0.5)

    # The server never answers, so this line is only reached after a timeout.
    assert not reachable
