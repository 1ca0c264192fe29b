"""The script that fetches what browsers load, against a registry of the test's own."""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import ROOT

FILES = {
    "mediabunny": ["dist/bundles/mediabunny.min.mjs", "LICENSE"],
    "@noble/hashes": ["sha2.js", "_md.js", "_u64.js", "utils.js", "LICENSE"],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a package-lock.json, for packages that lie in ``registry`` beside it."""
    locked = {}
    for package, names in FILES.items():
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name in names:
                data = f"// {package} {name}".encode()
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        folder = tmp_path / "registry" / package / "-"
        folder.mkdir(parents=True)
        (folder / f"{package.split('/')[-1]}-1.0.0.tgz").write_bytes(archive.getvalue())
        digest = base64.b64encode(hashlib.sha512(archive.getvalue()).digest()).decode()
        locked[f"node_modules/{package}"] = {"version": "1.0.0", "integrity": f"sha512-{digest}"}
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": locked}))
    return tmp_path


@pytest.fixture
def registry_url(project: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(project / "registry"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def install(project: Path, registry_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "install-browser-modules"
    command = [sys.executable, script, "--root", project, "--target", project / "vendor"]
    command += options
    environment = {"npm_config_registry": registry_url}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_modules_are_downloaded_where_npm_has_not_put_them(project, registry_url):
    result = install(project, registry_url)

    assert result.returncode == 0, result.stderr
    vendor = project / "vendor"
    text = (vendor / "mediabunny" / "mediabunny.js").read_text()
    assert text == "// mediabunny dist/bundles/mediabunny.min.mjs"
    assert (vendor / "noble-hashes" / "_md.js").read_text() == "// @noble/hashes _md.js"


def test_an_archive_that_is_not_the_locked_one_is_refused(project, registry_url):
    archive = project / "registry" / "mediabunny" / "-" / "mediabunny-1.0.0.tgz"
    archive.write_bytes(archive.read_bytes() + b"more")

    result = install(project, registry_url)

    assert result.returncode == 1
    assert "Expected sha512" in result.stderr
    assert not (project / "vendor" / "mediabunny").exists()


def test_without_a_network_what_npm_has_installed_is_taken(project):
    for package, names in FILES.items():
        for name in ["package.json", *names]:
            path = project / "node_modules" / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('{"version": "1.0.0"}')

    result = install(project, registry_url="http://127.0.0.1:9")

    assert result.returncode == 0, result.stderr
    assert (project / "vendor" / "mediabunny" / "mediabunny.js").exists()


def test_without_either_the_failure_is_told(project):
    result = install(project, registry_url="http://127.0.0.1:9")

    assert result.returncode == 1
    assert "mediabunny was not installed" in result.stderr


def test_without_either_a_set_up_goes_on_and_says_in_a_line_what_is_used(project):
    result = install(project, "http://127.0.0.1:9", "--if-possible")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == (
        "Not downloaded: mediabunny (http://127.0.0.1:9 cannot be reached). "
        "The server decodes videos for browsers."
    )
