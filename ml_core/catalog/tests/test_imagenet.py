"""The ImageNet classifier of the catalogue: fetched from a local server, with random weights."""

import hashlib
import http.server
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ml_core.catalog.imagenet import MOBILENET_V3_LARGE
from ml_core.catalog.installed import default_model, read_catalog
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.engines import load_engine

NAME = MOBILENET_V3_LARGE.name
WEIGHTS, CLASS_INDEX = (file.name for file in MOBILENET_V3_LARGE.files)
CLASSES = {"0": ["n01440764", "tench"], "1": ["n01484850", "great_white_shark"]}
SIDE = 64


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A small network of the same family, with random weights and two classes."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(SIDE, SIDE, 3), classes=2
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # As after training: not the identity.
            layer.set_weights(
                [np.random.default_rng(1).uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
    return network


@pytest.fixture(scope="module")
def files(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server")
    # HDF5 as Keras 2 wrote it, like the published weights.
    network.save(folder / WEIGHTS)
    folder.joinpath(CLASS_INDEX).write_text(json.dumps(CLASSES))
    return folder


@pytest.fixture
def catalogued(files: Path, settings, tmp_path: Path, monkeypatch) -> Iterator[ModelSpec]:
    """The catalogue's entry, with the files of a local server as the published ones."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = partial(Handler, directory=files)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        spec = replace(
            MOBILENET_V3_LARGE,
            family="MobileNetV3Small",
            input_wh=(SIDE, SIDE),
            files=tuple(_served(files / name, address) for name in (WEIGHTS, CLASS_INDEX)),
        )
        monkeypatch.setattr("ml_core.catalog.installed.CATALOG", (spec,))
        settings.MODEL_DIR = tmp_path / "models"
        yield spec
        server.shutdown()


def _served(path: Path, address: str) -> ModelFile:
    digest = hashlib.sha384(path.read_bytes()).hexdigest()
    return ModelFile(
        path.name,
        path.stat().st_size,
        urls=(f"{address}/{path.name}",),
        published_hash=f"sha384:{digest}",
    )


def fetch() -> str:
    output = io.StringIO()
    call_command("fetch_models", NAME, stdout=output, stderr=output)
    return output.getvalue()


def test_it_is_fetched_and_answers_as_keras_does(catalogued, network, settings, tmp_path):
    text = fetch()

    assert text == f"{NAME} is installed in {settings.MODEL_DIR}.\n"
    spec = read_catalog(settings.MODEL_DIR)[NAME]
    assert spec.labels == ("tench", "great white shark")
    engine = load_engine(spec, kind="openvino", precision="float32", cache_dir=tmp_path)
    batch = np.random.default_rng(2).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    expected = network(batch.astype(np.float32), training=False).numpy()
    np.testing.assert_allclose(engine.outputs(batch)[0], expected, atol=1e-4)
    np.testing.assert_allclose(engine.infer(batch)[0], expected[0], atol=1e-4)


def test_the_shipped_classifier_stays_the_default(catalogued, settings):
    fetch()

    specs = read_catalog(settings.MODEL_DIR)

    assert default_model(specs, "classification", preferred="").name == "resnet56v2-cifar10"


def test_another_file_than_the_published_one_is_refused(catalogued, files, settings, monkeypatch):
    wrong = replace(catalogued.files[1], published_hash="md5:" + "0" * 32)
    monkeypatch.setattr(
        "ml_core.catalog.installed.CATALOG",
        (replace(catalogued, files=(catalogued.files[0], wrong)),),
    )

    with pytest.raises(CommandError, match="has MD5 [0-9a-f]{32}; expected 0000"):
        fetch()

    assert not settings.MODEL_DIR.joinpath(CLASS_INDEX).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"0": 1}', '{"1": ["n01440764", "tench"]}'])
def test_a_damaged_class_index_affects_only_its_own_model(catalogued, settings, text):
    settings.MODEL_DIR.mkdir()
    settings.MODEL_DIR.joinpath(WEIGHTS).touch()
    settings.MODEL_DIR.joinpath(CLASS_INDEX).write_text(text)

    specs = read_catalog(settings.MODEL_DIR)

    assert "is no class index of Keras" in specs[NAME].problem
    assert not specs["resnet56v2-cifar10"].problem
