"""Models are installed from the catalogue and measured with labelled pictures, as jobs."""

import hashlib
import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.models import ModelChoice
from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network
from model_library import tasks
from model_library.models import ModelJob
from model_library.tests.requests import JOBS, ended, post, uploaded

pytestmark = pytest.mark.django_db(transaction=True)

INSTALL = "/api/models/net/install/"


class Mirror:
    """A server that sends the files of the toy network; the weights wait for ``go_on``."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.go_on = threading.Event()
        self.go_on.set()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                content = mirror.files.get(self.path[1:], b"")
                self.send_response(200 if content else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2
                self.wfile.write(content[:half])
                if self.path.endswith("weights"):
                    mirror.go_on.wait(60)
                self.wfile.write(content[half:])

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def file(self, name: str) -> ModelFile:
        content = self.files[name]
        url = f"http://127.0.0.1:{self.server.server_port}/{name}"
        return ModelFile(name, len(content), hashlib.sha256(content).hexdigest(), (url,))


@pytest.fixture(autouse=True)
def model_dir(toy_detector, settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path / "models"
    settings.MODEL_DIR.mkdir()
    return settings.MODEL_DIR


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Iterator[Mirror]:
    """A mirror with the model "net" of the catalogue."""
    install_toy_network(tmp_path / "there")
    mirror = Mirror(tmp_path / "there" / "toy")
    spec = ModelSpec(
        name="net",
        task="detection",
        family="toy",
        directory=Path(),
        format="darknet",
        files=(mirror.file("toy.cfg"), mirror.file("toy.weights")),
        input_wh=(96, 96),
        resizing="stretch",
        labels=("tomato", "plum"),
    )
    monkeypatch.setattr("ml_core.catalog.installed.CATALOG", (spec,))
    yield mirror
    mirror.go_on.set()
    mirror.server.shutdown()
    mirror.server.server_close()


def wait_for_progress(client, job: dict) -> dict:
    for _ in range(600):
        state = client.get(job["url"]).json()
        if state["done"]:
            return state
        threading.Event().wait(0.05)
    raise AssertionError(state)


def test_a_model_is_installed_with_progress(admin_client, client, mirror, model_dir):
    mirror.go_on.clear()

    response = post(admin_client, INSTALL)

    assert response.status_code == 202
    running = wait_for_progress(admin_client, response.json())
    assert 0 < running["done"] < running["total"] == sum(map(len, mirror.files.values())) - 12
    page = admin_client.get("/models/").content.decode()
    assert "Downloading: " in page and "data-active" in page
    assert "data-active" not in client.get("/models/").content.decode()
    again = post(admin_client, INSTALL)
    assert (again.status_code, again.json()["code"]) == (409, "job_running")

    mirror.go_on.set()
    assert ended(admin_client, running)["state"] == "done"
    assert model_dir.joinpath("toy.weights").read_bytes() == mirror.files["toy.weights"]
    assert "/detect-image/?model=net" in client.get("/models/").content.decode()
    assert post(admin_client, INSTALL).json()["code"] == "model_is_installed"


def test_a_failed_download_says_why_on_the_card_until_it_is_tried_again(
    admin_client, mirror, model_dir
):
    weights = mirror.files.pop("toy.weights")

    failed = ended(admin_client, post(admin_client, INSTALL).json())

    assert (failed["state"], failed["error_code"]) == ("failed", "download_failed")
    assert "404 Not Found" in admin_client.get("/models/").content.decode()
    mirror.files["toy.weights"] = weights
    assert ended(admin_client, post(admin_client, INSTALL).json())["state"] == "done"
    assert ModelJob.objects.count() == 1


def test_a_cancelled_download_stops_and_is_resumed_later(admin_client, mirror, model_dir):
    mirror.go_on.clear()
    job = wait_for_progress(admin_client, post(admin_client, INSTALL).json())

    assert admin_client.delete(job["url"]).status_code == 204
    # The next heartbeat finds that the job is gone.
    threading.Event().wait(2)
    mirror.go_on.set()
    for thread in threading.enumerate():
        if thread.name == f"model-job-{job['id']}":
            thread.join(60)

    assert not model_dir.joinpath("toy.weights").exists()
    assert ended(admin_client, post(admin_client, INSTALL).json())["state"] == "done"


def test_a_model_without_addresses_cannot_be_installed(admin_client, model_dir):
    install_toy_network(model_dir)
    model_dir.joinpath("toy", "toy.weights").unlink()

    assert post(admin_client, "/api/models/nothing/install/").status_code == 404
    assert post(admin_client, "/api/models/vision-small/install/").status_code == 409


def zipped(path: Path, pictures: dict[str, Image.Image], texts: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, picture in pictures.items():
            with archive.open(name, "w") as file:
                picture.save(file, "PNG")
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def measured(client, path: Path, model: str) -> dict:
    job = uploaded(client, path, kind="measure", model=model)
    assert post(client, f"{job['url']}start/").status_code == 202
    return ended(client, job)


@pytest.fixture
def toy(model_dir) -> None:
    install_toy_network(model_dir)


def test_a_detector_is_measured_on_labelled_pictures(
    admin_client, client, toy, tmp_path, model_dir
):
    # Of the three objects, a red one is labelled as what it is, and a grey one as a plum.
    set_path = zipped(
        tmp_path / "cells.zip",
        {
            "set/images/1.png": cells_picture({(1, 0): RED}),
            "set/images/2.png": cells_picture({(2, 2): BLUE}),
        },
        {
            "set/labels/1.txt": "0 0.5 0.1667 0.3333 0.3333",
            "set/labels/2.txt": "0 0.5 0.5 0.3333 0.3333\n1 0.8333 0.8333 0.3333 0.3333",
        },
    )

    job = measured(admin_client, set_path, "toy")

    # Half of the tomatoes and all plums: (0.5 + 1) / 2, with 51 of COCO's 101 recalls up to 0.5.
    assert job["result"] == {
        "accuracy_percent": 75.2,
        "accuracy_pictures": 2,
        "accuracy_set": "cells.zip",
    }
    page = client.get("/models/").content.decode()
    assert "75.2% mAP@0.5" in page and "2 pictures of cells.zip" in page
    assert not list(model_dir.glob(".uploads/*"))


def test_a_classifier_is_measured_on_pictures_in_folders(admin_client, tmp_path):
    grey = Image.new("RGB", (32, 32), (90, 90, 90))
    pictures = {f"{label}/{number}.png": grey for label in ("cat", "dog") for number in range(2)}

    job = measured(admin_client, zipped(tmp_path / "grey.zip", pictures, {}), "resnet56v2-cifar10")

    # The same answer for all: right for none or half of them.
    assert job["result"]["accuracy_percent"] in (0, 50)
    assert ModelChoice.objects.get().accuracy_pictures == 4


@pytest.mark.parametrize(
    ("model", "names", "text"),
    [
        ("resnet56v2-cifar10", ["cow/1.png", "dog/1.png"], "has 2 classes, such as 'cow'"),
        ("resnet56v2-cifar10", [], "Expected folders of pictures"),
        ("toy", ["cow/1.png"], "There are no labels of detectors"),
        ("toy", ["images/1.png"], "There are no labels of detectors"),
    ],
)
def test_archives_of_another_form_are_refused(admin_client, toy, tmp_path, model, names, text):
    path = zipped(tmp_path / "set.zip", {name: cells_picture({}) for name in names}, {})

    job = measured(admin_client, path, model)

    assert (job["state"], job["error_code"]) == ("failed", "model_refused")
    assert text in job["error"]
    assert str(tmp_path) not in job["error"]
    assert job["error"][:30] in admin_client.get("/models/").content.decode().replace("&#x27;", "'")


def test_what_is_no_archive_is_refused(admin_client, toy, tmp_path):
    path = tmp_path / "set.zip"
    path.write_bytes(b"PK broken")

    for model in ("toy", "resnet56v2-cifar10"):
        assert measured(admin_client, path, model)["error_code"] == "model_refused"
    refused = post(
        admin_client,
        JOBS,
        {"kind": "measure", "model": "toy", "files": [{"name": "set.tar", "size_bytes": 1}]},
    )
    assert "one .zip archive" in refused.json()["detail"]
    missing = {"kind": "measure", "model": "", "files": [{"name": "set.zip", "size_bytes": 1}]}
    assert post(admin_client, JOBS, missing).status_code == 422


def test_a_busy_model_is_measured_patiently(admin_client, toy, tmp_path, monkeypatch):
    detect = tasks.engine.detect
    errors = (tasks.Busy, tasks.EngineUnavailable, tasks.InferenceTimeout, tasks.ModelLoading)
    busy = [error("not now") for error in errors]

    def detect_when_free(*args, **options):
        if busy:
            raise busy.pop()
        return detect(*args, **options)

    monkeypatch.setattr(tasks.engine, "detect", detect_when_free)
    monkeypatch.setattr(tasks, "BUSY_S", 0.01)
    path = zipped(
        tmp_path / "cells.zip",
        {"images/1.png": cells_picture({(1, 0): RED})},
        {"labels/1.txt": "0 0.5 0.1667 0.3333 0.3333"},
    )

    assert measured(admin_client, path, "toy")["result"]["accuracy_percent"] == 100


def test_a_measurement_gives_up_on_a_silent_server_and_can_be_started_again(
    admin_client, toy, tmp_path, monkeypatch
):
    detect = tasks.engine.detect
    path = zipped(
        tmp_path / "cells.zip",
        {"images/1.png": cells_picture({(1, 0): RED})},
        {"labels/1.txt": "0 0.5 0.1667 0.3333 0.3333"},
    )
    attempts = []

    def never(*args, **options):
        attempts.append(args)
        raise tasks.InferenceTimeout("silent")

    monkeypatch.setattr(tasks.engine, "detect", never)
    monkeypatch.setattr(tasks, "BUSY_S", 0)
    monkeypatch.setattr(tasks, "RETRIES", 3)

    job = measured(admin_client, path, "toy")

    assert (job["state"], job["error_code"], len(attempts)) == ("failed", "inference_timeout", 4)
    monkeypatch.setattr(tasks.engine, "detect", detect)
    assert post(admin_client, f"{job['url']}start/").status_code == 202
    assert ended(admin_client, job)["result"]["accuracy_percent"] == 100


def test_uploads_need_room_on_the_disk_of_the_models(
    admin_client, settings, monkeypatch, model_dir
):
    free_bytes = {settings.DATA_DIR: 10**15, model_dir: settings.LIMITS["free_bytes"] + 10}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=free_bytes[Path(path)])
    )

    def announce(size: int) -> int:
        files = [{"name": "net.onnx", "size_bytes": size}]
        return post(admin_client, JOBS, {"kind": "add", "files": files}).status_code

    assert (announce(10), announce(11)) == (201, 507)
    settings.MODEL_DIR = model_dir / "not" / "there"
    assert announce(11) == 507
