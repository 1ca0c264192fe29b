"""The site where nothing of POSIX is available: a server process under the rules of Windows."""

import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from detect_video.conftest import write_tomatoes
from tests.conftest import ROOT, Server
from tests.server.test_server import picture_bytes

RULES = Path(__file__).with_name("windows_rules.py")
ATTEMPTS = """
import importlib, os, select, signal
for module, name in (
    ("fcntl", ""), ("resource", ""), ("uvloop", ""), ("os", "fork"), ("select", "poll"),
    ("signal", "SIGKILL"), ("signal", "SIGXCPU"),
):
    try:
        getattr(importlib.import_module(module), name or "__name__")
    except (ImportError, AttributeError) as exc:
        print(type(exc).__name__)
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python with this one's packages, that follows the rules of Windows, as do its children."""
    if sys.platform != "linux":
        pytest.skip("The rules of Windows are imitated on Linux only.")
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = folder / "lib" / version / "site-packages"
    shutil.copyfile(RULES, packages / "sitecustomize.py")
    own = sysconfig.get_path("purelib")
    packages.joinpath("packages.pth").write_text(f"import site; site.addsitedir({own!r})\n")
    return folder / "bin" / "python"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_the_imitation_of_windows_lacks_what_windows_lacks(python: Path) -> None:
    # Isolated, as the decoder's process is.
    done = subprocess.run([python, "-I", "-c", ATTEMPTS], capture_output=True, check=True)

    assert done.stdout.split() == [b"ModuleNotFoundError"] * 3 + [b"AttributeError"] * 4


@pytest.fixture
def windows_server(
    python: Path, data_dir: Path, toy_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A running server that follows the rules of Windows."""
    monkeypatch.setattr(sys, "executable", str(python))
    server = Server(data_dir, toy_model_dir)
    server.manage("prepare")
    server.start()
    yield server
    server.process.kill()
    server.process.wait()


def test_the_site_works_without_posix(
    windows_server: Server, data_dir: Path, tmp_path: Path
) -> None:
    server = windows_server
    clip = write_tomatoes(tmp_path / "clip.mp4", 5).read_bytes()
    browser = requests.Session()

    def ask(method: str, path: str, **options) -> requests.Response:
        answer = browser.request(method, server.url + path, timeout=120, **options)
        assert answer.ok, answer.text
        return answer

    def wait_until_done(path: str) -> dict:
        deadline = time.monotonic() + 120
        while (job := ask("GET", path).json())["state"] != "done":
            assert job["state"] in ("queued", "running"), job
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return job

    sample = ROOT / "static" / "samples" / "car.jpg"
    with sample.open("rb") as picture:
        classified = ask("POST", "/api/classify/", files={"image": picture}).json()
    detected = ask("POST", "/api/detect/image/", files={"image": picture_bytes()}).json()
    ask("GET", "/")
    browser.headers["X-CSRFToken"] = browser.cookies.get("csrftoken", "")
    video = ask("POST", "/api/videos/", json={"name": "clip.mp4", "size_bytes": len(clip)}).json()
    for start, end in ((0, 1000), (1000, len(clip))):
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
        ask("PATCH", video["urls"]["upload"], data=clip[start:end], headers=headers)
    video = wait_until_done(video["urls"]["self"])
    wanted = {"codec": "mjpg", "score_threshold": 0.3, "show_names": True, "show_scores": True}
    rendering = ask("POST", video["urls"]["renderings"], json=wanted).json()
    rendering = wait_until_done(rendering["urls"]["self"])
    avi = ask("GET", rendering["urls"]["file"]).content
    recording = ask("POST", "/api/videos/avi/", files={"video": ("clip.mp4", clip)}).content
    ask("DELETE", video["urls"]["self"])
    kept = [path for path in (data_dir / "media" / "detect_video").rglob("*") if path.is_file()]
    temporary = [*(data_dir / "tmp").iterdir()]
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(60) in (0, -signal.SIGTERM)
    assert classified["class_name"] == "automobile"
    assert [found["class_name"] for found in detected["detections"]] == ["tomato", "plum"]
    assert video["frames_detected"] == 5
    assert avi[:4] == recording[:4] == b"RIFF"
    assert kept == temporary == []
    log = server.log_path.read_text(encoding="utf-8")
    assert "Traceback" not in log, log
