"""Finds a Python that the site runs on, or explains how to install one.

Written for Python 3.6 and later: the first Python of a machine starts this, whichever it is.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Newest first. These have wheels of every package in requirements.txt; 3.14 has none of tensorflow.
SUPPORTED = ("3.13", "3.12", "3.11")
PLATFORMS = ("win-amd64", "macosx-arm64", "linux-x86_64", "linux-aarch64")
# Left out by some installations.
MODULES = ("ctypes", "ensurepip", "sqlite3", "ssl", "venv")
WINDOWS = os.name == "nt"
# A version manager's shim may wait for an answer.
TIMEOUT_SECONDS = 30

PROBE = """
import platform, sys, sysconfig
missing = []
for name in %r:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
system = sysconfig.get_platform()
if sys.platform == "darwin":
    system = "macosx-" + platform.machine()
build = platform.python_implementation()
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    build = "free-threaded " + build
version = "%%d.%%d" %% sys.version_info[:2]
print("|".join([version, build, system, " ".join(missing), sys.executable]))
"""


class Python(NamedTuple):
    """An interpreter that runs, as it describes itself."""

    version: str
    build: str
    system: str
    missing: str
    path: str

    def problem(self) -> str:
        """Why the site cannot run on it, as the end of a sentence; empty if it can."""
        if self.version not in SUPPORTED:
            newer = int(self.version.split(".")[1]) > 13 and self.version[0] == "3"
            return "is too new" if newer else "is too old"
        if self.build != "CPython":
            return f"is {self.build}, which the packages do not support"
        if self.system not in PLATFORMS:
            return f"is built for {self.system}, which tensorflow does not support"
        if self.missing:
            return f"is incomplete (missing: {self.missing.replace(' ', ', ')})"
        return ""


def probe(command: "list[str]", modules: "tuple[str, ...]" = MODULES) -> "Python | None":
    """Ask an interpreter what it is; ``None`` if it does not run."""
    try:
        done = subprocess.run(
            [*command, "-c", PROBE % (modules,)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            timeout=TIMEOUT_SECONDS,
        )
        return Python(*done.stdout.strip().splitlines()[-1].split("|", 4))
    except (OSError, subprocess.TimeoutExpired, IndexError, TypeError, UnicodeDecodeError):
        return None


def find_python(outside: Path) -> "tuple[Python | None, list[Python]]":
    """The newest Python that the site can run on, and all that were looked at.

    Those that a version manager keeps off the PATH come second: whoever chose another one there
    gets it. Those in the folder ``outside`` do not count.
    """
    found: dict[str, Python] = {}
    for commands in (commands_on_path, version_managers_commands):
        for command in commands():
            python = probe(command)
            if python and outside not in Path(python.path).parents:
                found.setdefault(os.path.realpath(python.path), python)
        usable = [python for python in found.values() if not python.problem()]
        if usable:
            return min(usable, key=lambda python: SUPPORTED.index(python.version)), usable
    return None, list(found.values())


def commands_on_path() -> "list[list[str]]":
    """Commands that may start a Python; many do not exist or do not run."""
    commands = [["py", "-" + version] for version in SUPPORTED] if WINDOWS else []
    for name in [*("python" + version for version in SUPPORTED), "python3", "python"]:
        paths = (shutil.which(name, path=folder) for folder in os.get_exec_path())
        commands += [[path] for path in paths if path]
    return [*commands, [sys.executable]]


def version_managers_commands() -> "list[list[str]]":
    """The interpreters of pyenv and uv."""
    commands = []
    folder = Path.home() / ".pyenv" / ("pyenv-win/versions" if WINDOWS else "versions")
    name = "python.exe" if WINDOWS else "bin/python"
    for version in SUPPORTED:
        commands += [[str(path / name)] for path in sorted(folder.glob(version + ".*"))]
        commands += [[path] for path in uv_python("find", "--system", version).splitlines()]
    return commands


def uv_python(*arguments: str) -> str:
    """What ``uv python`` prints; empty if it fails or there is no uv."""
    command = ["uv", "python", *arguments]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def explanation(pythons: "list[Python]") -> str:
    """Which interpreters were found, why none is right, and how to install one."""
    found = [f"  Python {p.version} {p.problem()}: {p.path}" for p in pythons]
    lines = ["The site requires Python 3.13, 3.12 or 3.11 (64-bit)."]
    lines += ["Found on this machine:", *found] if found else ["None was found on this machine."]
    return "\n".join([*lines, "To install one:", *("  " + way for way in ways_to_install())])


def ways_to_install() -> "list[str]":
    version = SUPPORTED[0]
    if WINDOWS:
        ways = [
            f"winget install --architecture x64 Python.Python.{version}",
            f"or the Windows installer (64-bit) of Python {version} from",
            "https://www.python.org/downloads/windows/",
        ]
    elif sys.platform == "darwin":
        ways = [
            f"brew install python@{version}",
            f"or the installer of Python {version} from https://www.python.org/downloads/macos/",
        ]
    else:
        ways = linux_packages(version)
    if shutil.which("pyenv"):
        ways.append(f"or pyenv install {version}")
    return [*ways, f"or uv python install {version} (https://docs.astral.sh/uv/)"]


def linux_packages(version: str) -> "list[str]":
    """Commands of this distribution's package manager."""
    if shutil.which("apt-get"):
        return [
            f"sudo apt-get install python{version} python{version}-venv",
            "(or 3.12, 3.11: what your release has; Ubuntu has others in ppa:deadsnakes/ppa)",
        ]
    if shutil.which("dnf"):
        return [f"sudo dnf install python{version}"]
    if shutil.which("zypper"):
        return [f"sudo zypper install python{version.replace('.', '')}"]
    return [f"the package of Python {version} of your distribution"]
