"""Sets everything up that the site needs, and starts it. Requires only Python's standard library.

setup.py install [dev]      the virtual environment .venv, with requirements.txt or those for tests
setup.py prepare            that, the database, the static files and the models
setup.py run [OPTION...]    that, and manage.py serve with these options
setup.py manage NAME...     the virtual environment, and a command of manage.py

Written for Python 3.6 and later, as python_finder.py.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from packages import install_packages
from python_finder import (
    SUPPORTED,
    WINDOWS,
    Python,
    explanation,
    find_python,
    probe,
)

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = str(ENVIRONMENT / ("Scripts/python.exe" if WINDOWS else "bin/python"))
# Each file includes those before it.
REQUIREMENTS = ["requirements.txt", "requirements-quantize.txt", "requirements-dev.txt"]
MARKERS = {"runtime": REQUIREMENTS[:1], "dev": REQUIREMENTS}
# Those that load libraries of the system.
IMPORTED = "import cv2, openvino, tensorflow"
LIBRARIES = """Install the libraries libGL and GLib, and run the same again.
  Fedora: sudo dnf install mesa-libGL glib2
  Arch Linux: sudo pacman -S libglvnd glib2
  openSUSE: sudo zypper install Mesa-libGL1 libglib-2_0-0"""


def install(kind: str = "runtime") -> None:
    """Create or mend the virtual environment and install its requirements, if they changed.

    A marker holds the text of the installed requirements. It is written last, so that an
    interrupted installation is continued.
    """
    prepare_environment()
    if is_installed(kind):
        return
    install_packages(PYTHON, ROOT / MARKERS[kind][-1])
    check_imports()
    for marker in {"runtime", kind}:
        (ENVIRONMENT / marker).write_text(requirements_text(marker), encoding="utf-8")


def is_installed(kind: str) -> bool:
    marker = ENVIRONMENT / kind
    return marker.exists() and marker.read_text(encoding="utf-8") == requirements_text(kind)


def requirements_text(kind: str) -> str:
    return "".join(ROOT.joinpath(name).read_text(encoding="utf-8") for name in MARKERS[kind])


def prepare_environment() -> None:
    """Create ``.venv``, anew if it is broken or has another Python than is asked for."""
    wanted = asked_for()
    existing = probe([PYTHON], modules=("pip", "sqlite3", "ssl"))
    if existing and not existing.problem() and (not wanted or wanted.version == existing.version):
        return
    python = wanted or newest_python()
    if existing:
        missing = f" without {existing.missing}" if existing.missing else ""
        say(
            f"The virtual environment .venv has Python {existing.version}{missing}; making it anew."
        )
    elif ENVIRONMENT.exists():
        say("The virtual environment .venv is broken; making it anew.")
    say(f"Creating .venv with Python {python.version} ({python.path}) ...")
    command = [python.path, "-m", "venv", "--clear", str(ENVIRONMENT)]
    if subprocess.call(command) != 0:
        sys.exit(
            "The virtual environment could not be created. If the site is running, stop it; "
            "else delete the folder .venv and try again."
        )


def asked_for() -> "Python | None":
    """The interpreter that the environment variable PYTHON names; ``None`` if it is not set."""
    name = os.environ.get("PYTHON", "")
    if not name:
        return None
    python = probe([name]) or probe(name.split())
    if not python:
        sys.exit(f"PYTHON={name} does not run. Expected a Python {', '.join(SUPPORTED)}.")
    if python.problem():
        sys.exit(explanation([python]))
    return python


def newest_python() -> Python:
    """The newest suitable interpreter; where there is none, one that uv fetches if it may."""
    python, found = find_python(outside=ENVIRONMENT)
    if python:
        return python
    incomplete = [one.version for one in found if one.missing == "ensurepip"]
    supported = [version for version in SUPPORTED if version in incomplete]
    if supported and shutil.which("apt-get"):
        # Debian and Ubuntu have what creates virtual environments in a package of its own.
        say(f"Python {supported[0]} cannot create virtual environments.")
        install_system_packages(f"python{supported[0]}-venv")
    elif not fetch_with_uv(explanation(found)):
        sys.exit(1)
    python, found = find_python(outside=ENVIRONMENT)
    return python or sys.exit(explanation(found))


def fetch_with_uv(explanation: str) -> bool:
    """Explain that Python is missing and, where uv is installed, ask whether it shall get it."""
    say(explanation)
    version = SUPPORTED[0]
    if not shutil.which("uv") or not sys.stdin.isatty() or not sys.stdout.isatty():
        return False
    answer = input(f"\nDownload Python {version} with uv now? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        return False
    return subprocess.call(["uv", "python", "install", version]) == 0


def check_imports() -> None:
    """Check that the libraries of the system are there; on Debian, root gets the missing ones."""
    say("Checking the installed packages ...")
    error = import_error()
    if "cannot open shared object file" in error:
        say(error.splitlines()[-1])
        if not shutil.which("apt-get"):
            sys.exit(LIBRARIES)
        install_system_packages("libgl1", "libglib2.0-0")
        error = import_error()
    if error:
        if WINDOWS:
            error += "\nInstall https://aka.ms/vs/17/release/vc_redist.x64.exe and try again."
        sys.exit(error)


def import_error() -> str:
    """Why a package that needs libraries of the system cannot be imported; empty if it can."""
    done = subprocess.run(
        [PYTHON, "-c", IMPORTED],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    return "" if done.returncode == 0 else done.stderr.strip() or f"{IMPORTED}: {done.returncode}"


def install_system_packages(*names: str) -> None:
    if subprocess.call([str(ROOT / "scripts" / "install-system-package"), "", *names]) != 0:
        sys.exit(1)


def prepare() -> None:
    """Do everything that precedes the start of the server."""
    install()
    say("Preparing the database and the static files ...")
    for command in (
        ["prepare"],
        ["fetch_models", "--if-possible"],
    ):
        status = subprocess.call([PYTHON, str(ROOT / "manage.py"), *command])
        if status != 0:
            sys.exit(status)


def manage(*arguments: str) -> None:
    """Become a command of manage.py, which gets the signals."""
    command = [PYTHON, str(ROOT / "manage.py"), *arguments]
    if not WINDOWS:
        os.execv(PYTHON, command)
    process = subprocess.Popen(command)
    is_interrupted = False
    while True:
        try:
            status = process.wait()
            sys.exit(0 if is_interrupted else status)
        except KeyboardInterrupt:
            # Ctrl-C reaches the command as well, which ends in its own time.
            is_interrupted = True


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    # Files are UTF-8, whatever the locale of the machine or of a library.
    os.environ["PYTHONUTF8"] = "1"
    command, *rest = sys.argv[1:] or ["run"]
    if command == "install":
        install(*rest)
    elif command == "prepare":
        prepare()
    elif command == "run":
        prepare()
        manage("serve", *rest)
    elif command == "manage":
        install()
        manage(*rest)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
