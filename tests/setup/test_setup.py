"""Tests of scripts/setup.py with stand-ins for the interpreters of a machine."""

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

# The stand-ins are scripts, which only POSIX systems start.
pty = pytest.importorskip("pty")

STAND_IN = Path(__file__).with_name("stand_in_python.py").read_text(encoding="utf-8")
BROKEN_SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
OLD_VERSIONS = ("3.6", "3.7", "3.8", "3.9", "3.10")


class Machine:
    """A copy of the project's start, and a PATH with nothing but stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.project, self.path = folder / "a project", folder / "bin"
        self.log = folder / "log"
        self.log.touch()
        self.path.mkdir()
        self.project.mkdir()
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        for name in ("Makefile", "run.command", *(p.name for p in ROOT.glob("requirements*.txt"))):
            shutil.copy(ROOT / name, self.project)
        self.project.joinpath("manage.py").write_text(
            "import sys; print('manage.py', *sys.argv[1:])"
        )
        for name in ("dirname", "make", "sh"):
            self.path.joinpath(name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.environment = {"PATH": str(self.path), "HOME": str(folder)}

    def add(self, name: str, text: str) -> Path:
        program = self.path / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def add_python(self, name: str, minor: int, missing: tuple[str, ...] = ()) -> Path:
        return self.add(name, stand_in(self.log, minor, missing))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "scripts" / "start", *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

    def run_in_terminal(self, *arguments: str, typed: str = "") -> str:
        """What the program shows on a terminal, at which ``typed`` is typed."""
        ours, theirs = pty.openpty()
        command = [self.project / "scripts" / "start", *arguments]
        with subprocess.Popen(
            command, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs
        ):
            os.close(theirs)
            os.write(ours, typed.encode())
            shown = b""
            try:
                while read := os.read(ours, 4096):
                    shown += read
            except OSError:  # The other side is closed.
                pass
        os.close(ours)
        return shown.decode()

    @property
    def environment_version(self) -> str:
        """The Python of the virtual environment; empty if there is none."""
        python = self.project / ".venv" / "bin" / "python"
        if not python.exists():
            return ""
        command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def installations(self) -> list[str]:
        """The program and the file of each installation of requirements."""
        lines = self.log.read_text().splitlines()
        return [
            f"{line.split()[0]} {line.rpartition('/')[2]}"
            for line in lines
            if line.endswith(".txt")
        ]


def stand_in(log: Path, minor: int, missing: tuple[str, ...] = ()) -> str:
    constants = f"VERSION, MISSING, LOG = (3, {minor}, 0), {missing}, Path({str(log)!r})"
    text = re.sub("^VERSION, MISSING, LOG = .*", constants, STAND_IN, flags=re.MULTILINE)
    return f"#!{sys.executable}\n{text}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_supported_python_that_runs_is_taken(machine: Machine):
    machine.add("python3.13", BROKEN_SHIM)
    machine.add_python("python3.11", 11)
    machine.add_python("python3", 14)
    machine.add_python("python", 12)

    done = machine.run("install")

    assert done.returncode == 0, done.stdout
    assert "Creating .venv with Python 3.12" in done.stdout
    assert machine.environment_version == "3.12"


@pytest.mark.parametrize(("minor", "is_supported"), [(10, 0), (11, 1), (13, 1), (14, 0), (15, 0)])
def test_an_unsupported_python_is_named_and_how_to_install_another(machine, minor, is_supported):
    python = machine.add_python("python3", minor)

    done = machine.run("install")

    assert (done.returncode == 0) == is_supported, done.stdout
    what = "new" if minor > 13 else "old"
    assert (f"Python 3.{minor} is too {what}: {python}" in done.stdout) == (not is_supported)
    assert ("To install one:" in done.stdout) == (not is_supported)


def test_without_any_python_the_start_says_what_to_install(machine: Machine):
    done = machine.run("install")

    assert done.returncode == 1
    assert "Install Python 3.13" in done.stdout


def test_a_python_of_pyenv_off_the_path_comes_second(machine: Machine, tmp_path: Path):
    pyenv = tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python"
    pyenv.parent.mkdir(parents=True)
    shutil.copy(machine.add_python("python3", 12), pyenv)
    machine.add("python3", BROKEN_SHIM)

    machine.run("install")
    assert machine.environment_version == "3.12"

    machine.add_python("python3", 11)
    shutil.rmtree(machine.project / ".venv")
    machine.run("install")
    assert machine.environment_version == "3.11"


def test_the_variable_python_chooses_and_is_checked(machine: Machine):
    machine.add_python("python3.13", 13)
    machine.add_python("python3.11", 11)
    machine.run("install")
    assert machine.environment_version == "3.13"

    done = machine.run("install", PYTHON="python3.11")
    assert "has Python 3.13; making it anew" in done.stdout
    assert machine.environment_version == "3.11"

    machine.add_python("newer", 15)
    done = machine.run("install", PYTHON="newer")
    assert done.returncode == 1
    assert "Python 3.15 is too new" in done.stdout
    assert "PYTHON=nothing does not run" in machine.run("install", PYTHON="nothing").stdout
    assert machine.environment_version == "3.11"


def test_the_makefile_passes_the_variable_python(machine: Machine):
    machine.add_python("python3.13", 13)
    machine.add_python("python3.12", 12)

    command = ["make", ".venv/runtime", "PYTHON=python3.12"]
    subprocess.run(command, cwd=machine.project, env=machine.environment, check=True)

    assert machine.environment_version == "3.12"


def test_a_python_without_ensurepip_is_told_the_debian_package(machine: Machine):
    machine.add_python("python3", 12, missing=("ensurepip",))
    machine.add("apt-get", "#!/bin/sh\nexit 1\n")
    machine.add("id", "#!/bin/sh\necho 1000\n")

    done = machine.run("install")

    assert done.returncode == 1
    assert "sudo apt-get install python3.12-venv" in done.stdout
    assert not machine.environment_version


def test_a_python_without_modules_that_the_site_needs_is_not_taken(machine: Machine):
    machine.add_python("python3.13", 13, missing=("sqlite3", "ctypes"))
    machine.add_python("python3.11", 11)

    machine.run("install")
    assert machine.environment_version == "3.11"

    machine.path.joinpath("python3.11").unlink()
    shutil.rmtree(machine.project / ".venv")
    assert "Python 3.13 is incomplete (missing: ctypes, sqlite3)" in machine.run("install").stdout


@pytest.mark.parametrize(
    ("minor", "missing", "message"),
    [
        (None, (), "is broken; making it anew"),
        (10, (), "has Python 3.10; making it anew"),
        (13, ("pip",), "has Python 3.13 without pip; making it anew"),
    ],
)
def test_an_unusable_environment_is_made_anew(machine: Machine, minor, missing, message):
    machine.add_python("python3", 12)
    machine.run("install")
    python = machine.project / ".venv" / "bin" / "python"
    python.write_text(stand_in(machine.log, minor, missing) if minor else BROKEN_SHIM)

    done = machine.run("install")

    assert message in done.stdout
    assert machine.environment_version == "3.12"
    assert machine.installations() == ["uv requirements.txt"] * 2


def test_an_interrupted_installation_is_continued_and_a_complete_one_kept(machine: Machine):
    machine.add_python("python3", 12)
    for program in ("uv", "pip"):
        machine.log.with_name(program).write_text("No matching distribution found for django")

    done = machine.run("install")
    assert done.returncode == 1
    assert "No matching distribution found for django" in done.stdout
    assert "PIP_INDEX_URL" in done.stdout
    assert "Run the same again to continue" in done.stdout

    for program in ("uv", "pip"):
        machine.log.with_name(program).unlink()
    assert "Creating" not in machine.run("install").stdout
    assert machine.run("install").stdout == ""
    assert machine.installations() == ["pip requirements.txt", "uv requirements.txt"]


def test_pip_installs_where_uv_cannot(machine: Machine):
    machine.add_python("python3", 12)
    machine.log.with_name("uv").write_text("error: Request failed after 3 retries")

    done = machine.run("install")

    assert done.returncode == 0
    assert machine.installations() == ["uv requirements.txt", "pip requirements.txt"]


def test_uv_uses_the_indexes_that_pip_is_configured_for(machine: Machine):
    machine.add_python("python3", 12)
    configured = (
        "global.index-url='https://global.example/simple'\n"
        ":env:.index-url='https://mirror.example/simple'\n"
        "install.extra-index-url='https://one.example https://two.example'\n"
        "global.cert='/etc/ca.pem'\n"
        "global.timeout='60'\n"
    )

    machine.run("install", PIP_CONFIG_LIST=configured)

    (line,) = (line for line in machine.log.read_text().splitlines() if line.startswith("uv "))
    assert (
        "--default-index https://mirror.example/simple --index https://one.example "
        "--index https://two.example --cert /etc/ca.pem --requirement"
    ) in line


def test_changed_requirements_are_installed(machine: Machine):
    machine.add_python("python3", 12)
    machine.run("install", "dev")
    assert machine.run("install", "dev").stdout == machine.run("install").stdout == ""
    machine.project.joinpath("requirements.txt").write_text("django==6.0\n")

    machine.run("install")
    machine.run("install", "dev")

    assert machine.installations() == [
        *("uv requirements-dev.txt", "uv requirements.txt", "uv requirements-dev.txt")
    ]


def test_missing_libraries_of_the_system_are_named_and_the_next_run_continues(machine: Machine):
    machine.add_python("python3", 12)
    error = machine.log.with_name("cv2")
    error.write_text("ImportError: libGL.so.1: cannot open shared object file: No such file")
    machine.add("id", "#!/bin/sh\necho 1000\n")

    done = machine.run("install")
    assert done.returncode == 1
    assert "libGL.so.1" in done.stdout
    assert "sudo dnf install mesa-libGL glib2" in done.stdout

    machine.add("apt-get", "#!/bin/sh\nexit 1\n")
    assert "sudo apt-get install libgl1 libglib2.0-0" in machine.run("install").stdout

    error.unlink()
    assert machine.run("install").returncode == 0
    assert machine.run("install").stdout == ""


@pytest.mark.parametrize("answer", ["n", "y"])
def test_uv_fetches_a_python_only_after_asking(machine: Machine, answer: str):
    machine.add_python("python3", 14)
    fetched = machine.add_python("fetched", 13)
    hidden = fetched.rename(fetched.with_name("uv-python"))
    machine.add(
        "uv",
        f'#!/bin/sh\necho "$*" >> "{machine.log}"\n'
        f'case "$2" in install) : > "{machine.path}/done";;\n'
        f'find) [ -e "{machine.path}/done" ] && [ "$4" = 3.13 ] && echo "{hidden}";; esac\n',
    )

    assert machine.run("install").returncode == 1
    assert "python install 3.13" not in machine.log.read_text()

    shown = machine.run_in_terminal("install", typed=answer + "\n")
    assert "Download Python 3.13 with uv now? [y/N]" in shown
    assert ("python install 3.13" in machine.log.read_text()) == (answer == "y")
    assert machine.environment_version == ("3.13" if answer == "y" else "")


@pytest.mark.parametrize(
    ("build", "system", "problem"),
    [
        ("CPython", "win-amd64", ""),
        ("CPython", "macosx-arm64", ""),
        ("CPython", "linux-aarch64", ""),
        ("CPython", "win32", "is built for win32, which tensorflow does not support"),
        ("CPython", "win-arm64", "is built for win-arm64, which tensorflow does not support"),
        ("free-threaded CPython", "win-amd64", "is free-threaded CPython, which"),
        ("PyPy", "linux-x86_64", "is PyPy, which the packages do not support"),
    ],
)
def test_a_build_without_packages_is_named(monkeypatch, build: str, system: str, problem: str):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    python_finder = importlib.import_module("python_finder")

    named = python_finder.Python("3.13", build, system, "", "python").problem()

    assert named.startswith(problem)
    assert bool(named) == bool(problem)


def test_run_prepares_everything_and_serves(machine: Machine):
    machine.add_python("python3", 12)

    done = machine.run("run", "--open")

    lines = [line for line in done.stdout.splitlines() if line.startswith("manage.py")]
    assert lines == [
        "manage.py prepare",
        "manage.py fetch_models --if-possible",
        "manage.py serve --open",
    ]


def test_the_double_click_on_macos_keeps_the_window_open_after_a_failure(machine: Machine):
    done = subprocess.run(
        [machine.project / "run.command"],
        cwd="/",
        env=machine.environment,
        input="\n",
        capture_output=True,
        text=True,
    )
    assert "Install Python 3.13" in done.stderr
    assert "Press Enter" in done.stdout

    machine.add_python("python3", 12)
    done = subprocess.run(
        [machine.project / "run.command"], env=machine.environment, capture_output=True, text=True
    )
    assert "manage.py serve --open" in done.stdout
    assert "Press Enter" not in done.stdout


@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_an_old_python_starts_and_explains(machine: Machine, version: str):
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} in ~/.pyenv/versions")
    machine.path.joinpath("python3").symlink_to(found[0])

    done = machine.run("install")

    assert done.returncode == 1
    assert f"Python {version} is too old" in done.stdout
    assert "Traceback" not in done.stdout


def test_on_windows_the_launcher_is_asked_and_ctrl_c_is_left_to_the_command(tmp_path: Path):
    command = tmp_path / "command.py"
    command.write_text(
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep(1); print('ended', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, end)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    code = (
        "import sys; from pathlib import Path; import python_finder, setup\n"
        "setup.WINDOWS = python_finder.WINDOWS = True\n"
        "assert python_finder.commands_on_path()[:2] == [['py', '-3.13'], ['py', '-3.12']]\n"
        "assert 'winget' in python_finder.explanation([])\n"
        f"setup.PYTHON, setup.ROOT = sys.executable, Path({str(tmp_path)!r})\n"
        "(setup.ROOT / 'command.py').rename(setup.ROOT / 'manage.py')\n"
        "setup.manage()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT / "scripts",
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "ended\n"
    assert process.returncode == 0
