"""Fuzz tests generated from the OpenAPI schema: no server errors, no undocumented responses."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import Server

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
]


def test_responses_to_generated_requests_match_the_schema(
    own_server: Server, tmp_path: Path
) -> None:
    # Not the shared server: the uploads count against the limits of the address.
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    options = ["--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--seed", "1"]
    options += ["--max-examples", "5", "--suppress-health-check", "all"]
    # schemathesis cannot generate the content type of upload chunks.
    for operation in ("upload_chunk", "upload_model_chunk"):
        options += ["--exclude-operation-id", operation]

    done = subprocess.run(
        [*command, f"{own_server.url}/api/schema/", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout[-5000:]
