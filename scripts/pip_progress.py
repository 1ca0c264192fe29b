"""Runs ``pip install`` and shows its progress in one line. Written for Python 3.6 and later."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

COMMAND = ["-m", "pip", "--disable-pip-version-check"]
DOWNLOAD = re.compile(r"Downloading (?:\S*/)?(\w+)-\S+ \(([\d.]+) ([kMG]B)\)")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
INSTALLATION = re.compile(r"Installing collected packages: (.*)")
# Named where the output is a file, in which a line cannot be overwritten.
LARGE_MEGABYTES = 50
UNREACHABLE = (
    "The package index did not answer. Check the network. A proxy is set by HTTPS_PROXY, a mirror\n"
    "by PIP_INDEX_URL, such as https://pypi.tuna.tsinghua.edu.cn/simple"
)


class Status:
    """What happens now and since when: a line that changes on a terminal, else printed lines."""

    def __init__(self, text: str) -> None:
        self._start = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._count_seconds, daemon=True)
        self.show(text)
        if self._is_terminal:
            self._thread.start()

    def show(self, text: str, is_minor: bool = False) -> None:
        """Replace the text; a minor one is shown on a terminal only."""
        self._text, self._detail = text, ""
        if not self._is_terminal and not is_minor:
            print(text, "...", flush=True)

    def add(self, detail: str) -> None:
        """Show a detail behind the text, on a terminal only."""
        self._detail = detail

    def end(self, text: str) -> None:
        self._is_over.set()
        if self._is_terminal:
            self._thread.join()
            self._overwrite("")
            print("\r", end="")
        print(f"{text} ({self._seconds()} s)", flush=True)

    def _count_seconds(self) -> None:
        while not self._is_over.is_set():
            self._overwrite(f"{self._text}{self._detail} ... {self._seconds()} s")
            self._is_over.wait(0.5)

    def _overwrite(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        print("\r" + line[:width].ljust(width), end="", flush=True)

    def _seconds(self) -> int:
        return round(time.monotonic() - self._start)


def pip_install(python: str, requirements: Path) -> None:
    """Install a requirements file for an interpreter. Exits with pip's errors if that fails."""
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        # A setting for all users' Pythons, which fails in a virtual environment.
        "PIP_USER": "0",
        # Of interrupted downloads; known to newer versions of pip.
        "PIP_RESUME_RETRIES": "5",
    }
    process = subprocess.Popen(
        [python, *COMMAND, "install", "--progress-bar", progress_bar(python)]
        + ["--no-input", "--requirement", str(requirements)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
    )
    status = Status(f"Installing {requirements.name} (takes minutes the first time)")
    output = []
    for line in process.stdout or []:
        output.append(line.rstrip())
        show_step(line, status)
    if process.wait() == 0:
        status.end(f"Installed {requirements.name}")
        return
    status.end(f"Could not install {requirements.name}")
    errors = [line for line in output if line.startswith(("ERROR", "HINT"))]
    print("\n".join(errors or output[-10:]))
    if any("Retrying (" in line for line in output):
        print(UNREACHABLE)
    sys.exit("Run the same again to continue; what is installed stays.")


def progress_bar(python: str) -> str:
    """The kind of progress that this version of pip can print for programs."""
    done = subprocess.run(
        [python, *COMMAND, "--version"], stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    version = re.match(r"pip (\d+)\.(\d+)", done.stdout)
    return "raw" if version and tuple(map(int, version.groups())) >= (24, 1) else "off"


def show_step(line: str, status: Status) -> None:
    """Show what a line of pip's output tells, if it does."""
    download, progress = DOWNLOAD.search(line), PROGRESS.match(line)
    installation = INSTALLATION.match(line)
    if download:
        name, size, unit = download.groups()
        is_minor = unit == "kB" or (unit == "MB" and float(size) < LARGE_MEGABYTES)
        status.show(f"Downloading {name} ({size} {unit})", is_minor)
    elif progress:
        received, total = map(int, progress.groups())
        status.add(f", {received / max(total, 1):.0%}")
    elif installation:
        status.show(f"Installing {len(installation.group(1).split(','))} packages")
