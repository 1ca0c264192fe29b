"""The pinned requirements can be installed on other platforms than this one."""

import os
import subprocess
from pathlib import Path

import pytest
import requests
import uv
from django.conf import settings

from ml_core.catalog.package_index import PackageIndex

# By uv's names; ARM boards have glibc 2.35 since Debian 12 and Ubuntu 22.04.
PLATFORMS = ("x86_64-pc-windows-msvc", "aarch64-apple-darwin", "aarch64-manylinux_2_35")
MACOS = "14.0"


@pytest.fixture
def index_url() -> str:
    """The index of pip; without an answer from it the test is skipped."""
    url = PackageIndex().url
    try:
        requests.head(f"{url}/pip/", timeout=10).raise_for_status()
    except requests.RequestException as exc:
        pytest.skip(f"The package index {url} cannot be reached ({type(exc).__name__}).")
    return url


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_requirement_has_a_wheel(index_url: str, platform: str, python: str) -> None:
    requirements = Path(settings.BASE_DIR) / "requirements-dev.txt"
    where = ["--default-index", index_url, "--python-platform", platform]

    # pip would evaluate the environment markers for this platform. Nothing is built, so uv need not
    # fetch the other Python.
    done = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", *where, "--python-version", python]
        + ["--no-python-downloads", "--only-binary", ":all:", requirements],
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )

    assert done.returncode == 0, done.stderr
    assert ("uvloop" in done.stdout) == ("windows" not in platform)
