"""Tests of the files that a Windows user double-clicks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted([*ROOT.glob("*.cmd"), *ROOT.glob("scripts/*.cmd")])
# Like the python.bat of a version manager.
PYTHON = '@echo off\r\nif "%~1"=="-c" exit /b 0\r\necho python %*\r\nexit /b {}\r\n'
BROKEN_PYTHON = "@exit /b 1\r\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_cmd_files_have_the_line_ends_and_the_characters_that_windows_reads(path: Path):
    data = path.read_bytes()

    assert data.count(b"\r\n") == data.count(b"\n") > 0
    assert data.isascii()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("run.cmd", "run --open"),
        ("classify_client.cmd", "manage classify_client"),
        ("detect_client.cmd", "manage detect_client"),
    ],
)
def test_each_double_clicked_file_starts_its_command(name: str, command: str):
    line = f'"%~dp0scripts\\start.cmd" {command}\r\n'

    assert line.encode() in ROOT.joinpath(name).read_bytes()


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of programs for Windows."""
    if not shutil.which("wine"):
        pytest.skip("wine is not installed")
    prefix = str(tmp_path_factory.mktemp("wine"))
    return {"PATH": os.environ["PATH"], "WINEPREFIX": prefix, "WINEDEBUG": "-all", "HOME": prefix}


def double_click(path: Path, environment: dict[str, str], python_folder: Path) -> str:
    """What the window shows until it closes, or asks for a key to do so."""
    return subprocess.run(
        ["wine", path],
        env={**environment, "WINEPATH": "Z:" + str(python_folder).replace("/", "\\")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
    ).stdout


def test_windows_finds_python_and_keeps_the_window_open_after_a_failure(wine, tmp_path):
    project, folder = tmp_path / "a project (1)", tmp_path / "bin"
    project.mkdir()
    folder.mkdir()
    shutil.copytree(ROOT / "scripts", project / "scripts")
    for path in ROOT.glob("*.cmd"):
        shutil.copy(path, project)

    assert "x64 Python.Python.3.13" in double_click(project / "run.cmd", wine, folder)

    folder.joinpath("py.bat").write_text(BROKEN_PYTHON)
    python = folder / "python.bat"
    python.write_text(PYTHON.format(0))
    shown = double_click(project / "run.cmd", wine, folder)
    assert 'setup.py" run --open' in shown
    assert "Press any key" not in shown

    python.write_text(PYTHON.format(3))
    shown = double_click(project / "detect_client.cmd", wine, folder)
    assert 'setup.py" manage detect_client' in shown
    assert "Press any key" in shown


def test_windows_is_told_to_extract_the_archive(wine, tmp_path):
    shutil.copy(ROOT / "run.cmd", tmp_path)

    assert "Extract the whole archive" in double_click(tmp_path / "run.cmd", wine, tmp_path)
