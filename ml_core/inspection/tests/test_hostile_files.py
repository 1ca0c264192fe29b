"""Files that would run code, exhaust the machine, or are broken: one sentence, nothing left."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ml_core.tests.model_files import echo_onnx

Write = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def site(settings, tmp_path) -> None:
    settings.MODEL_DIR = tmp_path / "models"
    settings.CONVERTED_DIR = tmp_path / "converted"


def small_keras(path: Path, *layers: keras.Layer) -> Path:
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Flatten()])
    model.save(path)
    return path


def changed_config(path: Path, change: Callable[[str], str]) -> Path:
    """A Keras file with another config.json."""
    source = small_keras(path.with_name("source.keras"), keras.layers.ReLU(name="layer"))
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(path, "w") as archive:
        for name in given.namelist():
            content = given.read(name)
            if name == "config.json":
                content = change(content.decode()).encode()
            archive.writestr(name, content)
    source.unlink()
    return path


def with_lambda(folder: Path) -> Path:
    return small_keras(folder / "net.keras", keras.layers.Lambda(lambda x: x * 2))


def with_lambda_in_hdf5(folder: Path) -> Path:
    return small_keras(folder / "net.h5", keras.layers.Lambda(lambda x: x * 2))


def with_a_foreign_class(folder: Path) -> Path:
    return changed_config(
        folder / "net.keras", lambda text: text.replace('"keras.layers"', '"os.path"')
    )


def with_a_registered_class(folder: Path) -> Path:
    def change(text: str) -> str:
        config = json.loads(text)
        layer = next(x for x in config["config"]["layers"] if x["class_name"] == "ReLU")
        layer.update(module=None, class_name="Net", registered_name="Custom>Net")
        return json.dumps(config)

    return changed_config(folder / "net.keras", change)


def with_a_saved_model_layer(folder: Path) -> Path:
    return changed_config(folder / "net.keras", lambda text: text.replace('"ReLU"', '"TFSMLayer"'))


def subclassed(folder: Path) -> Path:
    @keras.saving.register_keras_serializable("mine")
    class Net(keras.Model):
        def call(self, image):
            return keras.ops.mean(image, (1, 2))

    model = Net()
    model(np.zeros((1, 8, 8, 3)))
    model.save(folder / "net.keras")
    return folder / "net.keras"


def with_pickled_weights(folder: Path) -> Path:
    path = changed_config(folder / "net.keras", str)
    weights = io.BytesIO()
    np.save(weights, np.array([{"a": 1}], object), allow_pickle=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.weights.npz", weights.getvalue())
    return path


def pickled(folder: Path) -> Path:
    path = folder / "net.pt"
    path.write_bytes(pickle.dumps({"weights": [1]}))
    return path


def weights_only(folder: Path) -> Path:
    with h5py.File(folder / "net.h5", "w") as file:
        file["kernel"] = np.zeros(3)
    return folder / "net.h5"


def keras_bomb(folder: Path) -> Path:
    path = folder / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(10**8))
    return path


def zip_bomb(folder: Path) -> Path:
    path = folder / "net.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.onnx", bytes(10**8))
    return path


def many_members(folder: Path) -> Path:
    path = folder / "net.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}.onnx", b"")
    return path


def zip_with(name: str, mode: int = 0o644) -> Write:
    def write(folder: Path) -> Path:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        with zipfile.ZipFile(folder / "net.zip", "w") as archive:
            archive.writestr(info, b"/etc/passwd")
        return folder / "net.zip"

    return write


def truncated_zip(folder: Path) -> Path:
    path = zip_with("net.onnx")(folder)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def truncated_onnx(folder: Path) -> Path:
    path = echo_onnx(folder / "net.onnx", [1, 3, 8, 8])
    path.write_bytes(path.read_bytes()[:-20])
    return path


def truncated_keras(folder: Path) -> Path:
    path = small_keras(folder / "net.keras")
    path.write_bytes(path.read_bytes()[:-100])
    return path


def broken(name: str, content: bytes = b"nothing of the kind") -> Write:
    def write(folder: Path) -> Path:
        folder.joinpath(name).write_bytes(content)
        return folder / name

    return write


FILES: dict[str, tuple[Write, str]] = {
    "lambda": (with_lambda, "has a Lambda layer, which is code from the file"),
    "lambda in HDF5": (with_lambda_in_hdf5, "has a Lambda layer, which is code from the file"),
    "class of a module": (with_a_foreign_class, "comes from 'os.path', which is not in the file"),
    "registered class": (with_a_registered_class, "a class of its author .Custom>Net"),
    "saved model layer": (with_a_saved_model_layer, "has a TFSMLayer layer"),
    "subclassed model": (subclassed, "Net .*not in the file"),
    "pickled weights": (with_pickled_weights, "holds 'model.weights.npz'; expected only"),
    "pickle": (pickled, "net.pt may hold pickled code, which is never opened"),
    "weights only": (weights_only, "holds weights only. Save the whole model"),
    "Keras bomb": (keras_bomb, "would unpack to a hundred times its size"),
    "zip bomb": (zip_bomb, r"larger than the 0.0 GB accepted \(LIMIT_MODEL_BYTES\)"),
    "many members": (many_members, "holds more than 1,000 files"),
    "parent folder": (zip_with("../net.onnx"), "'../net.onnx', which is no safe name"),
    "absolute path": (zip_with("/tmp/net.onnx"), "'/tmp/net.onnx', which is no safe name"),
    "drive letter": (zip_with("C:net.onnx"), "'C:net.onnx', which is no safe name"),
    "link": (zip_with("net.onnx", 0o120777), "holds a link, 'net.onnx'"),
    "truncated zip": (truncated_zip, "is no complete zip archive"),
    "truncated ONNX": (truncated_onnx, "OpenVINO cannot read it|cut off or damaged"),
    "truncated Keras file": (truncated_keras, "is no complete .keras file"),
    "no TFLite": (broken("net.tflite"), "OpenVINO cannot read it"),
    "no HDF5": (broken("net.h5"), "is no complete HDF5 file"),
    "no weights": (broken("net.cfg", b"[net]\n"), "net.cfg needs one .weights file beside it"),
    "no IR": (broken("net.xml", b"<net/>"), "net.xml needs one .bin file beside it"),
    "empty ONNX": (broken("net.onnx", b""), "OpenVINO cannot read it|one input"),
    "a text": (broken("readme.md"), "Expected a model .*received readme.md"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_in_one_sentence_and_leaves_nothing(name, settings, tmp_path):
    settings.LIMITS = {**settings.LIMITS, "model_bytes": 10**7}
    write, text = FILES[name]
    given = tmp_path / "given"
    given.mkdir()
    path = write(given)

    with pytest.raises(CommandError, match=text) as error:
        call_command("add_model", str(path), "--name", "net", stdout=io.StringIO())

    assert error.value.returncode == 1
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert list(settings.MODEL_DIR.iterdir()) == []
    assert not list(settings.CONVERTED_DIR.glob("net-*"))


@pytest.mark.parametrize(
    ("limit", "value", "text"),
    [
        ("conversion_seconds", 0.1, "it takes more than 0 seconds"),
        ("conversion_bytes", 20 * 10**6, "it needs more than 0.0 GB|memory ran out"),
    ],
)
def test_opening_a_file_is_limited_in_time_and_memory(settings, tmp_path, limit, value, text):
    settings.LIMITS = {**settings.LIMITS, limit: value}
    path = echo_onnx(tmp_path / "net.onnx", [1, 3, 8, 8])

    with pytest.raises(CommandError, match=text):
        call_command("add_model", str(path), stdout=io.StringIO())

    assert list(settings.MODEL_DIR.iterdir()) == []
