"""A model is uploaded, understood, corrected, and added."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client

from ml_core.catalog import selection
from ml_core.tests.model_files import echo_onnx, fixed_onnx
from ml_core.tests.toy_network import install_toy_network
from model_library import jobs, tasks
from model_library.models import ModelJob, State
from model_library.tests.requests import JOBS, announced, ended, post, send, understood, uploaded
from web.errors import StorageFull

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def model_dir(toy_detector, settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path / "models"
    return settings.MODEL_DIR


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return fixed_onnx(tmp_path / "net.onnx", {"scores": np.array([[0.1, 0.2, 0.7]])}, (8, 8))


@pytest.fixture
def detector(tmp_path: Path) -> list[Path]:
    install_toy_network(tmp_path / "given")
    return sorted((tmp_path / "given" / "toy").iterdir())


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_classifier_is_added_after_it_was_understood(admin_client, client, classifier, model_dir):
    job = understood(admin_client, classifier)

    assert job["state"] == "understood"
    assert job["result"]["task"] == "classification"
    assert job["result"]["top"][0] == {"class_id": 2, "class_name": "class 2", "score": 0.7}
    guesses = [note["subject"] for note in job["result"]["notes"] if note["is_guess"]]
    assert guesses == ["labels", "pixels"]
    assert "net" not in selection.models()

    post(admin_client, f"{job['url']}add/")
    added = ended(admin_client, job)

    assert (added["state"], added["model"]) == ("done", "net")
    assert "net" in [spec.name for spec in selection.usable_models("classification")]
    assert "/classify/?model=net" in client.get("/models/").content.decode()
    assert files_in(model_dir) == ["labels.txt", "model.toml", "net.onnx"]


def test_what_was_understood_is_said_in_the_readers_language(admin_client, classifier):
    job = understood(admin_client, classifier)
    in_chinese = {"accept-language": "zh-CN"}

    notes = admin_client.get(job["url"], headers=in_chinese).json()["result"]["notes"]
    page = admin_client.get("/models/", headers=in_chinese).content.decode()

    said = {note["subject"]: (note["text"], note["reason"]) for note in notes}
    assert said == {
        "task": ("分类", "只有一个输出 scores，含 3 个值"),
        "labels": ("3 个：class 0, class 1, class 2", "文件中没有"),
        "input": ("8 x 8，NCHW，3 个通道，float32", "见文件"),
        "pixels": (
            "RGB，0 到 1，再减去 0.485, 0.456, 0.406，除以 0.229, 0.224, 0.225",
            "大多数 PyTorch 模型如此训练（ImageNet 的均值和标准差）",
        ),
        "resizing": ("拉伸并取平均", "此尺寸通常如此"),
        "output": ("需应用的激活函数：none", "试运行的值是概率"),
    }
    assert all(text in page and reason in page for text, reason in said.values())


def test_what_was_understood_before_an_upgrade_is_shown_as_it_was_stored(admin_client, classifier):
    job = understood(admin_client, classifier)
    note = {"subject": "input", "text": "8 x 8, {odd}", "reason": "says so", "is_guess": False}
    ModelJob.objects.update(result={**job["result"], "notes": [note]})

    assert admin_client.get(job["url"]).json()["result"]["notes"] == [note]
    assert "8 x 8, {odd}" in admin_client.get("/models/").content.decode()


def test_a_detector_of_several_files_is_shown_with_its_boxes(admin_client, detector):
    job = understood(admin_client, *detector)

    assert job["result"]["task"] == "detection"
    assert job["result"]["labels"] == ["tomato", "plum"]
    picture = admin_client.get(job["sample_url"])
    assert picture["Content-Type"] == "image/jpeg"
    assert b"".join(picture.streaming_content).startswith(b"\xff\xd8")
    picture.close()


def test_an_archive_with_class_names_is_understood(admin_client, classifier, tmp_path):
    path = tmp_path / "net.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(classifier, "net.onnx")
        archive.writestr("labels.txt", "cat\ndog\nfox\n")

    job = understood(admin_client, path)

    assert job["result"]["labels"] == ["cat", "dog", "fox"]


def test_answers_are_tried_without_another_upload(admin_client, classifier):
    job = understood(admin_client, classifier)
    answers = {"name": "zoo", "labels": ["cat", "dog", "fox"], "range": [-1, 1], "colours": "BGR"}

    post(admin_client, f"{job['url']}start/", answers)
    again = ended(admin_client, job)

    assert (again["result"]["name"], again["result"]["top"][0]["class_name"]) == ("zoo", "fox")
    texts = {note["subject"]: note["text"] for note in again["result"]["notes"]}
    assert texts["pixels"] == "BGR, -1 to 1"
    page = admin_client.get("/models/").content.decode()
    assert "cat\ndog\nfox" in page and 'value="-1 1"' in page


def test_a_wrong_answer_is_refused_with_a_sentence_and_can_be_corrected(admin_client, classifier):
    job = understood(admin_client, classifier)

    post(admin_client, f"{job['url']}start/", {"labels": ["cat", "dog", "fox", "owl"]})
    refused = ended(admin_client, job)

    assert (refused["state"], refused["error_code"]) == ("understood", "model_refused")
    assert refused["error"] == (
        "The network has 3 classes, and there are 4 labels. Give its class names in the field "
        "“Class names”."
    )
    post(admin_client, f"{job['url']}start/", {"labels": ["cat", "dog", "fox"]})
    assert ended(admin_client, job)["error"] == ""


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"size": [1, 2, 3]}, "Expected a width and a height"),
        ({"range": [0]}, "Expected two numbers"),
        ({"mean": [1, 2]}, "one number per channel"),
        ({"std": ["nan"]}, "valid number"),
        ({"std": [0]}, "other than 0"),
        ({"range": [0, "inf"]}, "valid number"),
        ([1], "dictionary"),
        ({"labels": ["\ud800"]}, "urrogate"),
        ({"name": "\x00"}, "ull characters"),
        ({"layout": "none"}, "not a valid choice"),
        ({"origin": "javascript:alert(1)"}, "valid URL"),
        ({"labels": "cat"}, "list of items"),
    ],
)
def test_answers_of_a_wrong_form_are_422(admin_client, classifier, answers, text):
    job = uploaded(admin_client, classifier)

    response = post(admin_client, f"{job['url']}start/", answers)

    assert response.status_code == 422
    assert text in response.json()["detail"]


def test_a_refused_file_leaves_one_sentence_and_nothing_else(admin_client, tmp_path, model_dir):
    path = echo_onnx(tmp_path / "bad.onnx", [1, 5, 96, 96])

    job = understood(admin_client, path)

    assert (job["state"], job["error_code"]) == ("failed", "model_refused")
    assert job["error"] == "Expected an input with 1 or 3 channels, found 5 x 96 x 96."
    assert files_in(model_dir) == []
    in_chinese = {"accept-language": "zh-CN"}
    page = admin_client.get("/models/", headers=in_chinese).content.decode()
    assert "无法使用" in page and job["error"] in page


@pytest.mark.parametrize("name", ["net.onnx", "net.keras", "net.h5", "net.tflite", "net.zip"])
def test_broken_files_are_refused(admin_client, tmp_path, model_dir, name):
    path = tmp_path / name
    path.write_bytes(b"\x00broken" * 100)

    job = understood(admin_client, path)

    assert job["state"] == "failed"
    assert job["error_code"] == "model_refused"
    assert str(model_dir) not in job["error"] and ".uploads" not in job["error"]
    assert files_in(model_dir) == []


def test_a_name_that_is_taken_is_refused(admin_client, classifier):
    job = understood(admin_client, classifier, name="yolov3")

    assert job["error"] == "There is a model 'yolov3' already. Choose another in the field “Name”."
    post(admin_client, f"{job['url']}start/", {"name": "other"})
    assert ended(admin_client, job)["state"] == "understood"


def test_a_cancelled_upload_leaves_nothing(admin_client, classifier, model_dir):
    job = understood(admin_client, classifier)

    assert admin_client.delete(job["url"]).status_code == 204

    assert files_in(model_dir) == []
    assert admin_client.get(job["url"]).status_code == 404


def test_cancelling_while_the_model_is_looked_into_leaves_nothing(
    admin_client, classifier, model_dir, monkeypatch
):
    add_model = tasks.add_model

    def cancelled_meanwhile(*args, **options):
        ModelJob.objects.all().delete()
        return add_model(*args, **options)

    monkeypatch.setattr(tasks, "add_model", cancelled_meanwhile)
    job = ModelJob.objects.get(pk=uploaded(admin_client, classifier)["id"])
    jobs.claim(job)

    jobs._work(job, tasks.add)

    assert files_in(model_dir) == []


def test_a_file_arrives_in_chunks_and_says_where_it_is(admin_client, classifier):
    job = announced(admin_client, classifier)
    url, content = job["files"][0]["url"], classifier.read_bytes()

    assert send(admin_client, url, content[:10], 0)["Upload-Offset"] == "10"
    wrong = send(admin_client, url, content[20:], 20)
    assert (wrong.status_code, wrong["Upload-Offset"]) == (409, "10")
    state = admin_client.head(url)
    assert (state["Upload-Offset"], state["Upload-Length"]) == ("10", str(len(content)))
    early = post(admin_client, f"{job['url']}start/")
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert send(admin_client, url, content[10:] + b"more", 10).json()["code"] == "chunk_too_large"
    assert send(admin_client, url, content[10:], 10)["Upload-Offset"] == str(len(content))
    unknown = url.replace("/files/0/", "/files/1/")
    assert send(admin_client, unknown, b"x", 0).status_code == 404


def test_nothing_is_added_that_was_not_understood(admin_client, classifier):
    job = uploaded(admin_client, classifier)

    response = post(admin_client, f"{job['url']}add/")

    assert (response.status_code, response.json()["code"]) == (409, "model_not_understood")


@pytest.mark.parametrize(
    ("names", "sizes", "code"),
    [
        (["../net.onnx"], [9], "invalid_parameters"),
        ([".net.onnx"], [9], "invalid_parameters"),
        (["a/b.onnx"], [9], "invalid_parameters"),
        (["net.onnx", "NET.onnx"], [9, 9], "invalid_parameters"),
        (["nul.onnx"], [9], "invalid_parameters"),
        (["COM1"], [9], "invalid_parameters"),
        (["net.onnx."], [9], "invalid_parameters"),
        (["网" * 67 + ".onnx"], [9], "invalid_parameters"),
        ([], [], "invalid_parameters"),
        (["net.onnx"], [0], "invalid_parameters"),
        ([f"{number}.bin" for number in range(11)], [1] * 11, "invalid_parameters"),
        (["net.onnx"], [10**15], "model_too_many_bytes"),
    ],
)
def test_uploads_with_bad_names_or_sizes_are_refused(admin_client, names, sizes, code):
    files = [{"name": name, "size_bytes": size} for name, size in zip(names, sizes, strict=True)]

    response = post(admin_client, JOBS, {"kind": "add", "files": files})

    assert response.json()["code"] == code
    assert not ModelJob.objects.exists()


@pytest.mark.parametrize("name", ["网" * 65 + ".onnx", "null.onnx", "a", "my net (1).onnx"])
def test_names_of_every_language_are_accepted(admin_client, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")

    assert uploaded(admin_client, path)["files"][0]["name"] == name


def test_one_byte_above_the_limit_is_too_much(admin_client, settings):
    settings.LIMITS = {**settings.LIMITS, "model_bytes": 100}

    def status(size: int) -> int:
        files = [{"name": "net.onnx", "size_bytes": size}]
        return post(admin_client, JOBS, {"kind": "add", "files": files}).status_code

    assert (status(100), status(101)) == (201, 413)


def test_incomplete_uploads_are_limited_and_forgotten(admin_client, classifier, settings):
    settings.LIMITS = {**settings.LIMITS, "uploads_per_owner": 1}
    job = announced(admin_client, classifier)
    send(admin_client, job["files"][0]["url"], b"part", 0)
    files = [{"name": "net.onnx", "size_bytes": 9}]
    assert post(admin_client, JOBS, {"kind": "add", "files": files}).status_code == 429

    # The silence after an announcement is about uploads that never began.
    settings.LIMITS = {**settings.LIMITS, "announcement_seconds": 0}
    assert post(admin_client, JOBS, {"kind": "add", "files": files}).status_code == 429
    settings.LIMITS = {**settings.LIMITS, "upload_seconds": 0}
    assert post(admin_client, JOBS, {"kind": "add", "files": files}).status_code == 201

    assert admin_client.get(job["url"]).status_code == 404
    assert files_in(settings.MODEL_DIR) == []


def test_a_job_whose_process_died_says_so_and_can_be_started_again(admin_client, classifier):
    job = uploaded(admin_client, classifier)
    ModelJob.objects.update(
        state=State.RUNNING, run_id=job["id"], heartbeat_at="2020-01-01T00:00:00Z"
    )

    state = admin_client.get(job["url"]).json()

    assert (state["state"], state["error_code"]) == ("failed", "job_interrupted")
    post(admin_client, f"{job['url']}start/")
    assert ended(admin_client, job)["state"] == "understood"


def test_another_member_of_the_staff_sees_the_upload(admin_client, classifier):
    job = understood(admin_client, classifier)
    colleague = Client()
    colleague.force_login(User.objects.create_superuser("colleague"))

    assert colleague.get(job["url"]).json()["state"] == "understood"
    assert f'id="job-{job["id"]}"' in colleague.get("/models/").content.decode()


def test_what_was_understood_survives_the_death_of_a_process(admin_client, classifier):
    job = understood(admin_client, classifier)
    ModelJob.objects.update(
        state=State.RUNNING, run_id=job["id"], heartbeat_at="2020-01-01T00:00:00Z"
    )

    page = admin_client.get("/models/", headers={"accept-language": "zh-CN"}).content.decode()

    assert "服务器在此期间停止了" in page
    assert admin_client.get(job["url"]).json()["state"] == "understood"
    post(admin_client, f"{job['url']}add/")
    assert ended(admin_client, job)["state"] == "done"


def test_an_error_of_the_server_does_not_cost_the_upload(admin_client, classifier, monkeypatch):
    add_model = tasks.add_model
    errors = [StorageFull("full"), KeyError("a bug")]

    def add_model_later(*args, **options):
        if errors:
            raise errors.pop()
        return add_model(*args, **options)

    monkeypatch.setattr(tasks, "add_model", add_model_later)

    job = understood(admin_client, classifier)
    assert (job["state"], job["error_code"]) == ("failed", "server_error")
    post(admin_client, f"{job['url']}start/")
    assert ended(admin_client, job)["error_code"] == "storage_full"
    post(admin_client, f"{job['url']}start/")
    assert ended(admin_client, job)["state"] == "understood"


def test_a_model_is_added_as_it_was_understood_whatever_was_refused_since(admin_client, classifier):
    job = understood(admin_client, classifier, labels=["cat", "dog", "fox"])
    post(admin_client, f"{job['url']}start/", {"name": "zoo", "labels": ["cat"] * 9})
    assert ended(admin_client, job)["error_code"] == "model_refused"

    post(admin_client, f"{job['url']}add/")

    assert ended(admin_client, job)["model"] == "net"
    assert selection.models()["net"].labels == ("cat", "dog", "fox")


def test_answers_are_checked_with_the_announcement_and_used_by_an_empty_start(
    admin_client, classifier
):
    files = [{"name": classifier.name, "size_bytes": classifier.stat().st_size}]
    body = {"kind": "add", "files": files, "answers": {"name": "zoo", "range": [0]}}
    refused = post(admin_client, JOBS, body)
    assert (refused.status_code, ModelJob.objects.count()) == (422, 0)
    assert "Expected two numbers" in refused.json()["detail"]

    body["answers"]["range"] = [0, 1]
    job = post(admin_client, JOBS, body).json()
    send(admin_client, job["files"][0]["url"], classifier.read_bytes(), 0)
    assert post(admin_client, f"{job['url']}start/", {"size": [1]}).status_code == 422
    post(admin_client, f"{job['url']}start/")

    assert ended(admin_client, job)["result"]["name"] == "zoo"


def test_a_failed_upload_keeps_the_answers_until_others_are_given(admin_client, classifier):
    job = understood(admin_client, classifier, name="yolov3", labels=["cat", "dog", "fox"])
    assert job["state"] == "failed"
    page = admin_client.get("/models/").content.decode()
    assert 'value="yolov3"' in page and "cat\ndog\nfox</textarea>" in page

    post(admin_client, f"{job['url']}start/")
    assert "There is a model 'yolov3' already." in ended(admin_client, job)["error"]
    post(admin_client, f"{job['url']}start/", {"name": ""})

    result = ended(admin_client, job)["result"]
    assert (result["name"], result["labels"][0]) == ("net", "class 0")


def test_files_that_can_never_be_used_are_deleted_whatever_is_left_empty(
    admin_client, tmp_path, model_dir
):
    path = echo_onnx(tmp_path / "bad.onnx", [1, 5, 96, 96])

    assert understood(admin_client, path, name="", labels=[])["state"] == "failed"

    assert files_in(model_dir) == []


def test_a_new_upload_leaves_the_failed_ones_of_colleagues(admin_client, classifier):
    job = understood(admin_client, classifier, name="yolov3")
    assert job["state"] == "failed"
    colleague = Client()
    colleague.force_login(User.objects.create_superuser("colleague"))

    announced(colleague, classifier)
    assert admin_client.get(job["url"]).status_code == 200
    announced(admin_client, classifier)
    assert admin_client.get(job["url"]).status_code == 404
