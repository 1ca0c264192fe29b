"""Requests made up from the API's own description: no failure, nothing that it does not say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
]


@pytest.fixture
def own_server(tmp_path: Path, toy_model_dir: Path) -> Iterator[Server]:
    """A server that nobody else uses: what is announced here takes an address's places."""
    server = Server(tmp_path, toy_model_dir)
    server.start()
    yield server
    server.stop()


def test_the_api_answers_made_up_requests_as_it_says(own_server: Server, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    options = ["--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--seed", "1"]
    options += ["--max-examples", "5", "--max-time", "45", "--suppress-health-check", "all"]
    # Its chunks are of a type that schemathesis cannot make up.
    options += ["--exclude-operation-id", "upload_chunk"]

    done = subprocess.run(
        [*command, f"{own_server.url}/api/schema/", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout[-5000:]
