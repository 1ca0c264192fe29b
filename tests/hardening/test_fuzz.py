"""Thousands of requests made up from the API's own description."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Server
from tests.hardening.client import tracebacks

MINUTES = 5


def test_made_up_requests_cause_no_server_error(own_server: Server, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    options = ["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing,stateful"]
    options += ["--seed", "1", "--max-examples", "200", "--max-time", str(60 * MINUTES)]
    options += ["--workers", "2", "--suppress-health-check", "all"]
    options += ["--exclude-operation-id", "upload_chunk"]

    done = subprocess.run(
        [*command, f"{own_server.url}/api/schema/", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60 * MINUTES + 120,
    )

    assert done.returncode == 0, done.stdout[-5000:]
    assert tracebacks(own_server) == []
    counted = re.search(r"Test cases:\s+([\d,]+)?.*|([\d,]+) generated", done.stdout)
    print(f"\n0 server errors; {counted[0] if counted else done.stdout[-500:]}")
