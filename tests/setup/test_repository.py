"""Tests that generated files are not part of the repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

MADE = [".venv", "node_modules", "var", "test-results", ".mypy_cache", ".pytest_cache"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("is_link", [False, True])
def test_generated_directories_are_ignored_as_directories_and_as_links(tmp_path, is_link):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout, elsewhere):
        folder.mkdir()
    git(checkout, "init", "--quiet")
    shutil.copy(ROOT / ".gitignore", checkout)
    for name in MADE:
        if is_link:
            (checkout / name).symlink_to(elsewhere)
        else:
            (checkout / name).mkdir()
            (checkout / name / "file").write_text("made by a command")

    assert git(checkout, "status", "--porcelain").split() == ["??", ".gitignore"]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_link_is_committed():
    modes = {line.split(maxsplit=1)[0] for line in git(ROOT, "ls-files", "--stage").splitlines()}

    assert modes <= {"100644", "100755"}
