"""The staff corrects a model's description; what is wrong is refused, and the former one stays."""

from pathlib import Path

import numpy as np
import pytest

from ml_core import engine
from ml_core.catalog import selection
from ml_core.catalog.formats import InputFormat, OutputFormat
from ml_core.catalog.model_toml import write_model_toml
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.errors import ModelUnusable
from ml_core.models import ModelChoice
from ml_core.tests.model_files import fixed_onnx
from ml_core.tests.toy_network import RED, cells_picture, install_toy_network

pytestmark = pytest.mark.django_db

URL = "/api/models/net/description/"
PICTURE = np.asarray(cells_picture({(1, 0): RED}))


@pytest.fixture(autouse=True)
def folder(toy_detector, settings, tmp_path) -> Path:
    """The folder of a classifier with two classes that is always right about the second."""
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    folder = tmp_path / "net"
    folder.mkdir()
    fixed_onnx(folder / "net.onnx", {"scores": np.array([[0.1, 0.9]])}, (8, 8))
    spec = ModelSpec(
        name="net",
        task="classification",
        family="onnx",
        directory=folder,
        format="onnx",
        files=(ModelFile("net.onnx"),),
        input_wh=(8, 8),
        resizing="shrink",
        input=InputFormat(axes="NCHW"),
        output=OutputFormat("classes", ("scores",)),
        labels=("cat", "dog"),
        licence="MIT",
    )
    write_model_toml(spec, folder)
    return folder


def put(client, values):
    return client.put(URL, values, content_type="application/json")


def test_the_form_has_the_values_of_the_description(admin_client):
    values = admin_client.get(URL).json()

    assert (values["labels"], values["input"]["axes"]) == (["cat", "dog"], "NCHW")
    page = admin_client.get("/models/").content.decode()
    assert "cat\ndog</textarea>" in page
    assert "<option selected>NCHW</option>" in page
    assert 'name="input.range" value="0 255"' in page


def test_a_corrected_description_is_used_at_once(admin_client):
    ModelChoice.objects.create(name="net", inference_ms=3, accuracy_percent=50)
    picture = np.zeros((8, 8, 3), np.uint8)
    assert engine.classify(picture, model="net").class_name == "dog"
    values = admin_client.get(URL).json()

    response = put(admin_client, {**values, "labels": ["Katze", "Hund"], "licence": "Apache-2.0"})

    assert response.status_code == 200
    assert engine.classify(picture, model="net").class_name == "Hund"
    assert selection.models()["net"].licence == "Apache-2.0"
    choice = ModelChoice.objects.get()
    assert (choice.inference_ms, choice.accuracy_percent) == (None, None)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("task", "dreaming", "task must be one of"),
        ("labels", [], "Expected 1 to 100,000 class names"),
        ("labels", ["a\nb", "c"], "one line each"),
        ("labels", ["", "c"], "one line each"),
        ("labels", ["\ud800", "c"], "must not contain"),
        ("labels", "../secret.txt", "no file inside the model's folder"),
        ("files", ["../other/net.onnx"], "no file inside the model's folder"),
        ("licence", "\x7f", "not valid TOML"),
        ("origin", "javascript:alert(1)", "origin must be empty or begin with https://"),
        ("accuracy_percent", 10**400, "accuracy_percent must be a number"),
        ("colour", "blue", "unknown colour"),
        ("input", {"size": [8, "eight"]}, "size must be a list of 2 numbers"),
        ("input", "large", "input must be a table"),
        ("output", {"layout": "yolov8"}, "layout must be one of classes"),
    ],
)
def test_a_wrong_value_is_refused_and_the_former_file_stays(admin_client, folder, key, value, text):
    values = admin_client.get(URL).json()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    response = put(admin_client, {**values, key: value})

    assert (response.status_code, response.json()["code"]) == (422, "model_refused")
    assert text in response.json()["detail"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("text", ["task = ", "task = 'dreaming'"])
def test_a_description_that_is_broken_can_be_mended(admin_client, folder, text):
    values = admin_client.get(URL).json()
    folder.joinpath("model.toml").write_text(text)
    assert selection.models()["net"].problem
    assert admin_client.get("/models/").status_code == 200

    assert put(admin_client, values).status_code == 200

    assert selection.models()["net"].is_usable


def test_a_darknet_network_is_described_as_it_is(admin_client, folder):
    url = "/api/models/toy/description/"
    values = admin_client.get(url).json()
    assert (values["format"], values["labels"]) == ("darknet", ["tomato", "plum"])
    assert values["files"] == ["toy.cfg", "toy.weights"] and values["input"]["size"] == [96, 96]
    before = engine.detect(PICTURE, model="toy").detections

    values["labels"] = ["Tomate", "Pflaume"]
    assert admin_client.put(url, values, content_type="application/json").status_code == 200

    after = engine.detect(PICTURE, model="toy").detections
    assert [found.box for found in before] == [found.box for found in after] != []
    assert {found.class_name for found in after} == {"Tomate"}
    assert folder.parent.joinpath("toy", "model.toml").is_file()


def test_another_number_of_class_names_makes_a_darknet_network_unusable(admin_client):
    url = "/api/models/toy/description/"
    values = {**admin_client.get(url).json(), "labels": ["tomato"]}
    assert admin_client.put(url, values, content_type="application/json").status_code == 200

    with pytest.raises(ModelUnusable, match="has 2 classes, and there are 1 labels"):
        engine.detect(PICTURE, model="toy")
    assert "has 2 classes" in admin_client.get("/models/").content.decode()

    values["labels"] = ["tomato", "plum"]
    assert admin_client.put(url, values, content_type="application/json").status_code == 200
    page = admin_client.get("/models/").content.decode()
    assert "has 2 classes" not in page and "/detect-image/?model=toy" in page


def test_a_folder_with_only_a_model_file_is_described_on_the_page(admin_client, folder):
    folder.joinpath("model.toml").unlink()
    folder.joinpath("labels.txt").unlink()
    page = admin_client.get("/models/").content.decode()
    assert "The folder has no model.toml." in page and str(folder) not in page
    values = admin_client.get(URL).json()
    assert (values["format"], values["files"]) == ("onnx", ["net.onnx"])
    assert put(admin_client, values).json()["code"] == "model_refused"

    described = {
        **values,
        "task": "classification",
        "labels": ["cat", "dog"],
        "input": {"size": [8, 8], "axes": "NCHW"},
        "output": {"layout": "classes"},
    }
    assert put(admin_client, described).status_code == 200

    assert engine.classify(np.zeros((8, 8, 3), np.uint8), model="net").class_name == "dog"


def test_only_models_that_need_a_description_can_be_corrected(admin_client):
    for name in ("vision-small", "yolov3", "resnet56v2-cifar10"):
        response = admin_client.get(f"/api/models/{name}/description/")
        assert (response.status_code, response.json()["code"]) == (409, "model_not_described")
    assert put(admin_client, [1]).status_code == 400


def test_the_form_keeps_all_digits_of_a_number(admin_client):
    values = admin_client.get(URL).json()
    values["input"]["range"] = [0, 0.00392156862745098]
    assert put(admin_client, values).status_code == 200

    page = admin_client.get("/models/").content.decode()

    assert 'name="input.range" value="0 0.00392156862745098"' in page
