"""Runs every example in docs/api unchanged against a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from detect_video.tests.clips import write_clip
from ml_core.tests.model_files import fixed_onnx
from tests.conftest import ROOT, NewServer, Server, new_token

# The order matters: some examples list what an earlier one has stored.
PAGES = ["classification", "pictures", "stored-pictures", "videos", "README", "websockets"]
PAGES += ["models"]
DOCUMENTS = {page: ROOT.joinpath("docs", "api", f"{page}.md").read_text() for page in PAGES}
BLOCK = re.compile(r"^```(bash|python|javascript)\n(.*?)^```$|^## (.*?)$", re.MULTILINE | re.DOTALL)
COMMANDS = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--experimental-websocket", "--input-type=module", "-e"],
}


MAKE_STAFF = """
from django.contrib.auth.models import User
User.objects.filter(username="reader-of-examples").update(is_staff=True)
"""


def examples() -> list:
    found, heading = [], ""
    for page, document in DOCUMENTS.items():
        for language, code, title in BLOCK.findall(document):
            heading = title or heading
            if language:
                found.append(pytest.param(language, code, id=f"{page}: {heading} ({language})"))
    return found


def test_examples_of_every_api_page_are_tested() -> None:
    assert {path.stem for path in ROOT.joinpath("docs", "api").glob("*.md")} == set(PAGES)


@pytest.fixture(scope="module")
def own_server(new_server: NewServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models an example may change."""
    server = new_server(tmp_path_factory.mktemp("models"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def token(own_server: Server) -> str:
    """The API token of a new account."""
    token = new_token(own_server, "reader-of-examples")
    # Examples of changes to the models are for the staff.
    own_server.manage("shell", "-c", MAKE_STAFF)
    return token


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sample pictures, a short video and a model."""
    folder = tmp_path_factory.mktemp("examples")
    folder.joinpath("static").symlink_to(ROOT / "static")
    write_clip(folder / "video.mp4", frames=10, size_wh=(96, 96), rate=Fraction(10))
    fixed_onnx(folder / "model.onnx", {"scores": np.array([[0.1, 0.9]])}, (8, 8))
    return folder


@pytest.mark.parametrize(("language", "code"), examples())
def test_the_example_works(
    language: str, code: str, own_server: Server, token: str, folder: Path
) -> None:
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{own_server.port}")

    done = subprocess.run(
        [*COMMANDS[language], code],
        cwd=folder,
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def test_every_main_endpoint_has_an_example_in_each_language() -> None:
    for path in ("classify", "detect/image", "gallery", "pictures", "videos", "models", "limits"):
        for language in COMMANDS:
            codes = [example.values[1] for example in examples() if example.values[0] == language]
            assert any(f"/api/{path}/" in code for code in codes), (path, language)
