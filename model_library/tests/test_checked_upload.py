"""A model is uploaded with labelled pictures, which tell what its file does not say."""

import threading
from pathlib import Path
from typing import Any

import pytest

from ml_core.catalog import selection
from ml_core.inspection import checking
from ml_core.tests.colour_pictures import BLUE, RED, write_pictures, zipped
from ml_core.tests.model_files import brightest_onnx
from model_library.models import ModelJob, State
from model_library.tests.requests import JOBS, ended, post, uploaded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def model_dir(toy_detector, settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path / "models"
    return settings.MODEL_DIR


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return brightest_onnx(tmp_path / "net.onnx")


@pytest.fixture
def labelled_set(tmp_path: Path) -> Path:
    """Pictures with which the network is right if its first channel is blue."""
    write_pictures(tmp_path / "set", {"blue": BLUE, "red": RED})
    return zipped(tmp_path / "set", tmp_path / "set.zip")


def checked(client, network: Path, labelled_set: Path, **answers: Any) -> dict[str, Any]:
    job = uploaded(client, network, labelled_set, labelled_set=labelled_set)
    assert post(client, f"{job['url']}start/", answers).status_code == 202
    return ended(client, job)


def test_the_best_input_is_taken_and_the_accuracy_of_each_is_shown(
    admin_client, network, labelled_set
):
    job = checked(admin_client, network, labelled_set)

    assert (job["state"], job["result"]["labels"]) == ("understood", ["blue", "red"])
    assert job["result"]["accuracy_percent"] == 100
    assert [job[key] for key in ("done", "total")] == [54, 54]
    tried = [note for note in job["result"]["notes"] if note["subject"] == "check"]
    assert len(tried) == 9
    assert {"RGB, 0 to 255": "top-1 0.0% on 6 pictures of set.zip"}.items() <= {
        note["text"]: note["reason"] for note in tried
    }.items()
    page = admin_client.get("/models/", headers={"accept-language": "zh-CN"}).content.decode()
    assert "BGR，0 到 1" in page and "top-1 0.0%，使用 set.zip 中的 6 张图片" in page


def test_the_model_is_added_as_it_was_checked(
    admin_client, network, labelled_set, model_dir, monkeypatch
):
    job = checked(admin_client, network, labelled_set)
    # It is not measured again.
    monkeypatch.setattr(checking, "classifier_accuracy", None)

    post(admin_client, f"{job['url']}add/")

    assert ended(admin_client, job)["state"] == "done"
    spec = selection.models()["net"]
    assert (spec.input.colours, spec.labels) == ("BGR", ("blue", "red"))
    assert spec.accuracy_percent == 100
    names = sorted(path.name for path in model_dir.rglob("*") if path.is_file())
    assert names == ["labels.txt", "model.toml", "net.onnx"]


def test_what_a_person_knows_is_checked_with_the_pictures_as_well(
    admin_client, network, labelled_set
):
    job = checked(admin_client, network, labelled_set, range=[0, 1], colours="RGB")

    assert (job["result"]["input"]["colours"], job["result"]["accuracy_percent"]) == ("RGB", 0)


def test_a_cancelled_check_stops(admin_client, network, labelled_set, model_dir, monkeypatch):
    measure = checking.classifier_accuracy

    def cancelled_meanwhile(*args):
        ModelJob.objects.filter(state=State.RUNNING).delete()
        while True:
            measure(*args)

    monkeypatch.setattr(checking, "classifier_accuracy", cancelled_meanwhile)
    job = uploaded(admin_client, network, labelled_set, labelled_set=labelled_set)
    post(admin_client, f"{job['url']}start/")

    for thread in threading.enumerate():
        if thread.name == f"model-job-{job['id']}":
            thread.join(60)
            assert not thread.is_alive()
    assert [path for path in model_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "sets",
    [{"set.zip": True}, {"set.zip": True, "more.zip": True}, {"net.onnx": False, "set.tar": True}],
)
def test_one_archive_beside_the_model_is_the_labelled_set(admin_client, sets):
    files = [
        {"name": name, "size_bytes": 9, "is_labelled_set": is_set} for name, is_set in sets.items()
    ]

    response = post(admin_client, JOBS, {"kind": "add", "files": files})

    assert response.status_code == 422
    assert "at most one .zip archive of labelled pictures" in response.json()["detail"]


def test_an_archive_of_too_many_files_is_refused(admin_client, network, labelled_set, settings):
    settings.LIMITS = {**settings.LIMITS, "labelled_files": 6}
    assert checked(admin_client, network, labelled_set)["state"] == "understood"
    settings.LIMITS = {**settings.LIMITS, "labelled_files": 5}

    job = checked(admin_client, network, labelled_set)

    assert (job["state"], job["error"]) == ("failed", "set.zip holds more than 5 files.")
