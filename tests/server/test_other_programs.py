"""The clients of other programs, from the package index, use a site that requires a login.

They have a virtual environment of their own; if it cannot be made, the tests are skipped.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import uv
from django.conf import settings
from filelock import FileLock

from compat.tests.dialects import LABEL_CONFIG, label_studio_found
from compat.tests.stand_in_label_studio import LABEL_STUDIO_TOKEN, stand_in_label_studio
from detect_video.conftest import write_tomatoes
from ml_core.catalog.package_index import PackageIndex
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from tests.conftest import ROOT, NewServer, Server, new_token
from tests.server.test_video_jobs import announce, send, wait_for

ENVIRONMENT = ROOT / ".venvs" / "clients"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
CLIENTS = ROOT / "tests" / "clients"
FILE = "/data/upload/1/a.png"


@pytest.fixture(scope="module")
def python() -> str:
    """The Python of the clients' environment, which is made anew if its requirements change."""
    requirements = CLIENTS / "requirements.txt"
    marker = ENVIRONMENT / "installed"
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with FileLock(ENVIRONMENT.with_suffix(".lock")):
        if not marker.exists() or marker.read_text() != requirements.read_text():
            index = ["--default-index", PackageIndex().url]
            for command in (
                ["venv", "--clear", "--python", sys.executable, ENVIRONMENT],
                ["pip", "install", *index, "--python", PYTHON, "--requirement", requirements],
            ):
                done = subprocess.run(
                    [uv.find_uv_bin(), "--quiet", *command],
                    capture_output=True,
                    text=True,
                    encoding="utf-8",
                )
                if done.returncode:
                    pytest.skip(f"The clients cannot be installed: {done.stderr.strip()[-300:]}")
            marker.write_text(requirements.read_text())
    return str(PYTHON)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    return path


@pytest.fixture(scope="module")
def site(new_server: NewServer, picture: Path) -> Iterator[Server]:
    """A closed site that speaks all dialects, with a stand-in for Label Studio."""
    with stand_in_label_studio({FILE: picture.read_bytes()}) as label_studio:
        server = new_server(
            COMPAT=",".join(settings.COMPAT_DIALECTS),
            REQUIRE_LOGIN="true",
            SIGN_UP="true",
            LABEL_STUDIO_URL=label_studio,
            LABEL_STUDIO_TOKEN=LABEL_STUDIO_TOKEN,
        )
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def token(site: Server) -> str:
    return new_token(site, "programs")


@pytest.fixture(scope="module")
def own(site: Server, token: str, picture: Path) -> list[dict]:
    """The detections of the site's own API."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/png"}
    url = f"{site.url}/api/detect/image/"
    answer = requests.post(url, picture.read_bytes(), headers=headers, timeout=60).json()
    assert len(answer["detections"]) == 2
    return answer["detections"]


def run(python: str, name: str, *arguments: object, **environment: str) -> list:
    """What a client prints."""
    done = subprocess.run(
        [python, CLIENTS / f"{name}_client.py", *map(str, arguments)],
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def boxes(own: list[dict]) -> list:
    return [pytest.approx(one["box"], abs=0.1) for one in own]


def test_deepstack_python(python, site, token, picture, own):
    found, custom, error = run(python, "deepstack", site.port, token, picture)

    sides = ("x_min", "y_min", "x_max", "y_max")
    assert [[one[side] for side in sides] for one in found] == [
        [round(side) for side in one["box"]] for one in own
    ]
    assert [one["label"] for one in found] == [one["class_name"] for one in own]
    assert [one["confidence"] for one in found] == [one["score"] for one in own]
    assert custom == found
    assert "status code: 401" in error


def test_pydoods(python, site, token, picture, own):
    detectors, answer = run(python, "doods", site.url, token, picture)

    found = answer["detections"]
    sides = ("left", "top", "right", "bottom")
    assert [[one[side] * 960 for side in sides] for one in found] == boxes(own)
    assert [one["confidence"] for one in found] == [one["score"] * 100 for one in own]
    assert detectors["detectors"][0]["name"] == "default"
    assert detectors["detectors"][0]["labels"] == ["tomato", "plum"]


def test_inference_sdk_and_supervision(python, site, token, picture, own):
    legacy, header, top, error = run(python, "roboflow", site.url, token, picture)

    assert legacy["boxes"] == header["boxes"] == boxes(own)
    assert legacy["scores"] == pytest.approx([one["score"] for one in own])
    assert legacy["class_ids"] == [one["class_id"] for one in own]
    assert legacy["class_names"] == [one["class_name"] for one in own]
    assert isinstance(top, str) and "unknown" in error


def test_tritonclient(python, site, token, picture, own):
    host = site.url.removeprefix("http://")
    is_ready, model, answers, error = run(python, "triton", host, token, picture)

    for answer in answers:
        assert answer["boxes"] == boxes(own)
        assert answer["scores"] == pytest.approx([one["score"] for one in own])
        assert answer["class_ids"] == [one["class_id"] for one in own]
        assert answer["labels"] == [one["class_name"] for one in own]
    assert is_ready == [True, True, True]
    assert (model["name"], model["inputs"][0]["datatype"]) == ("toy", "BYTES")
    assert "unknown" in error


def test_cvat_sdk(python, site, token, picture, own):
    function = ROOT / "docs" / "cvat_function.py"
    labels, shapes = run(python, "cvat", function, site.url, token, picture)

    assert labels == [["tomato", 0, "rectangle"], ["plum", 1, "rectangle"]]
    assert [label_id for label_id, _, _ in shapes] == [one["class_id"] for one in own]
    assert {kind for _, kind, _ in shapes} == {"rectangle"}
    assert [points for _, _, points in shapes] == boxes(own)


def test_label_studio_requests(site, token, own):
    def send(path: str, body: dict) -> dict:
        credentials = ("vision", token)
        answer = requests.post(site.url + path, json=body, auth=credentials, timeout=60)
        answer.raise_for_status()
        return answer.json()

    setup = {"project": "1.1700000000", "schema": LABEL_CONFIG, "access_token": "", "hostname": ""}
    tasks = [{"id": 1, "data": {"photo": FILE}}]
    predict = {"tasks": tasks, "project": "1.17", "label_config": LABEL_CONFIG, "params": {}}

    health = requests.get(f"{site.url}/health", auth=("vision", token), timeout=60).json()
    found = label_studio_found(send("/predict", predict))

    assert health["status"] == "UP"
    assert send("/setup", setup) == {"model_version": "toy"}
    assert [box for _, _, box in found] == boxes(own)
    assert [label for label, _, _ in found] == [one["class_name"] for one in own]


def test_mcp_client(python, site, token, picture, own, tmp_path):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    data = write_tomatoes(tmp_path / "clip.mp4", 20, rate=10).read_bytes()
    video = announce(session, site, data)
    send(session, site, video, data, 0)
    wait_for(session, site, video, lambda now: now["state"] == "done")
    file = tmp_path / "vision_mcp.py"
    file.write_bytes(session.get(f"{site.url}/detect-image/vision_mcp.py").content)

    tools, models, found, error, videos, counts = run(
        python, "mcp", file, site.url, picture, video["id"], VISION_TOKEN=token
    )

    assert tools == ["list_models", "detect_in_picture", "list_videos", "count_in_video"]
    assert "toy" in [one["name"] for one in models["result"]]
    assert found["detections"] == own
    assert "unknown" in str(error["error"])
    assert [one["id"] for one in videos["result"]] == [video["id"]]
    own_counts = session.get(f"{site.url}/api/videos/{video['id']}/counts/?score_threshold=0.4")
    assert counts == own_counts.json()
    assert counts["frames"] == 20


def test_no_key_is_in_the_log(site, token):
    for key in (token, "key-of-another-site"):
        requests.get(f"{site.url}/model/registry", params={"api_key": key}, timeout=10)

    log = site.log_path.read_text()
    assert "/model/registry" in log
    assert token not in log and "key-of-another-site" not in log


def test_dialects_are_not_offered_by_default(server):
    for path in ("/v1/vision/custom/list", "/detectors", "/model/registry", "/v2", "/health"):
        assert requests.get(server.url + path, timeout=10).status_code == 404
