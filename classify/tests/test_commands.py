"""Tests of the terminal clients; those of ``classify_client`` use a real server process."""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from classify import client

ROOT = Path(__file__).parents[2]
CAR = ROOT / "static" / "samples" / "car.jpg"
STREET = ROOT / "static" / "samples" / "street.jpg"


def test_a_picture_is_classified_without_a_server(settings, converted_dir, tmp_path):
    settings.CONVERTED_DIR = converted_dir
    output, errors = io.StringIO(), io.StringIO()

    with pytest.raises(CommandError, match="1 of 2 pictures failed"):
        call_command(
            "classify_image", str(CAR), str(tmp_path / "gone.png"), stdout=output, stderr=errors
        )

    assert "car.jpg  automobile" in output.getvalue()
    assert "gone.png: No such file" in errors.getvalue()


def test_the_client_says_when_a_picture_is_not_stored(monkeypatch, capsys):
    reason = {"status": 413, "code": "quota_exceeded", "detail": "There is no room."}
    answer = {
        "class_name": "automobile",
        "score": 0.9,
        "probabilities": [],
        "stored": False,
        "not_stored": reason,
    }
    monkeypatch.setattr(client, "classify", lambda path, url, model: answer)

    failures = client.run([CAR], client.DEFAULT_URL)

    printed = capsys.readouterr()
    assert failures == 0 and "automobile  90.0%" in printed.out
    assert "car.jpg is not stored: There is no room." in printed.err


@pytest.fixture(scope="module")
def server_url(tmp_path_factory, converted_dir):
    """A server process without an installed detector."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    environment = {**os.environ, "DATA_DIR": str(folder), "PORT": str(port)}
    environment["MODEL_DIR"] = str(folder / "models")
    environment["CONVERTED_DIR"] = str(converted_dir)
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    # Converting a model takes minutes on a busy machine.
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not answers(f"{url}/readyz"):
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(30)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def run_client(*arguments: str, typed: str = "", script: str = "classify/client.py"):
    return subprocess.run(
        [sys.executable, *script.split(), *arguments],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
    )


SCRIPTS = pytest.mark.parametrize("script", ["manage.py classify_client", "classify/client.py"])


@SCRIPTS
def test_the_client_prints_path_and_class(server_url, script):
    done = run_client(str(CAR), str(STREET), "--url", server_url, script=script)

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith(f"{CAR}  automobile  ")
    assert lines[1].startswith(f"{STREET}  ")


@pytest.mark.parametrize("end", ["exit\n", "-1\n", ""])
def test_without_paths_the_client_prompts_until_it_is_ended(server_url, end):
    done = run_client("--url", server_url, typed=f"\nwrong.png\n{STREET}\n{end}")

    assert done.returncode == 0
    assert "car.jpg  automobile" in done.stdout
    assert "There is no file wrong.png. Try again." in done.stdout
    assert f"{STREET}  " in done.stdout


@pytest.mark.parametrize("typed", ['"{}"', "'{}'", "{}"])
def test_a_path_dragged_into_the_terminal_is_quoted_or_escaped(server_url, tmp_path, typed):
    path = tmp_path / "my car (1).jpg"
    shutil.copy(CAR, path)
    dragged = typed.format(path)
    if typed == "{}":
        dragged = re.sub(r"([ ()])", r"\\\1", dragged)

    done = run_client("--url", server_url, typed=f"{dragged}\nexit\n")

    assert f"{path}  automobile" in done.stdout


def test_an_unreadable_picture_does_not_end_the_prompting(server_url, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no picture")

    done = run_client("--url", server_url, typed=f"{path}\n{CAR}\nexit\n")

    assert done.returncode == 0
    assert "notes.txt: This is not a picture" in done.stderr
    assert f"{CAR}  automobile" in done.stdout


@SCRIPTS
def test_the_servers_error_for_an_invalid_picture_is_printed(server_url, tmp_path, script):
    path = tmp_path / "notes.txt"
    path.write_text("no picture")

    done = run_client(str(path), str(CAR), "--url", server_url, script=script)

    assert done.returncode == 1
    assert "notes.txt: This is not a picture" in done.stderr
    assert "automobile" in done.stdout


def test_an_unreachable_server_is_reported(tmp_path):
    done = run_client(str(CAR), "--url", "http://127.0.0.1:9")

    assert done.returncode == 1
    assert "The server at http://127.0.0.1:9 does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_client_file_works_outside_the_project(server_url, tmp_path):
    alone = tmp_path / "classify_client.py"
    alone.write_text(ROOT.joinpath("classify", "client.py").read_text())

    done = run_client(str(CAR), "--url", server_url, script=str(alone))

    assert "automobile" in done.stdout
    imports = re.findall(r"^(?:import|from) (\w+)", alone.read_text(), re.MULTILINE)
    assert set(imports) - sys.stdlib_module_names == {"requests"}
