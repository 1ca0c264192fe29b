"""Tests of the Makefile's version check."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Pretends to be another version.
PRETENDER = """\
#!{python}
import sys
if sys.argv[1] == "-c":
    sys.version_info = {version}
    exec(sys.argv[2])
else:
    sys.exit("made an environment")
"""


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 11, 0), (3, 13, 9), (3, 14, 0)])
def test_an_unsupported_python_is_refused_and_the_required_version_named(tmp_path: Path, version):
    shutil.copy(ROOT / "Makefile", tmp_path)
    tmp_path.joinpath("requirements.txt").touch()
    python = tmp_path / "python"
    python.write_text(PRETENDER.format(python=sys.executable, version=version))
    python.chmod(0o755)

    command = ["make", ".venv/runtime", f"PYTHON={python}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    major, minor, _ = version
    refusal = f"Expected Python 3.11, 3.12 or 3.13, found {major}.{minor}. Install one of them"
    assert (refusal in result.stderr) == (minor not in (11, 13))
    assert ("made an environment" in result.stderr) == (minor in (11, 13))
