"""Model files that other people trained and published, from the command to the answer."""

import io
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ml_core import engine
from ml_core.catalog import selection
from ml_core.catalog.downloads import sha256_of
from ml_core.catalog.specs import ModelFile
from ml_core.catalog.yolox import YOLOX_NANO
from ml_core.engines.conversion import StepProcess
from ml_core.inspection.trial_accuracy import detector_accuracy
from ml_core.labels import CIFAR10_LABELS
from ml_core.pictures.images import ImageLimits, decode_image
from ml_core.pictures.labelled_pictures import read_labelled_pictures

LIMITS = ImageLimits(10**8, 10**8)


@pytest.fixture
def own(settings, patient, tmp_path, shared_dir) -> Path:
    """The folder of foreign models; models are added to an empty site."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.CONVERTED_DIR = tmp_path / "converted"
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"
    return shared_dir / "models" / "own"


def run(*arguments: object) -> str:
    output = io.StringIO()
    call_command(*map(str, arguments), stdout=output, stderr=output)
    return output.getvalue()


def picture(path: Path) -> np.ndarray:
    return decode_image(path.read_bytes(), LIMITS)


def test_yolox_nano_needs_no_options_for_its_accuracy(own, shared_dir):
    text = run("add_model", own / "yolox_nano.onnx")

    assert "This is a guess" not in text
    assert "drawn in" in text
    folder = shared_dir / "data" / "coco128"
    pictures = read_labelled_pictures(folder / "images", folder / "labels", 80)
    spec = selection.models()["yolox_nano"]
    with StepProcess() as process:
        (accuracy,) = detector_accuracy(process, spec, pictures, [spec.input], lambda done: None)
    # An independent decoder that keeps several classes per box gives 0.522.
    assert (accuracy >= 0.50, len(pictures)) == (True, 128)
    # What the catalogue says of the same network.
    described = ("input_wh", "resizing", "input", "output", "labels")
    assert [getattr(spec, name) for name in described] == [
        getattr(YOLOX_NANO, name) for name in described
    ]


def test_a_catalogued_onnx_model_is_installed_and_detects(own, shared_dir, monkeypatch):
    # Another export of the same network than the catalogue's.
    path = own / "yolox_nano.onnx"
    file = ModelFile(path.name, path.stat().st_size, sha256_of(path))
    monkeypatch.setattr("ml_core.catalog.installed.CATALOG", (replace(YOLOX_NANO, files=(file,)),))

    run("fetch_models", "yolox-nano", "--from", own)

    found = engine.detect(picture(shared_dir / "samples" / "dog.jpg"), model="yolox-nano")
    sure = {detection.class_name for detection in found.filtered(0.5).detections}
    assert {"dog", "bicycle"} <= sure


def test_the_values_of_pixels_and_the_class_names_are_found_by_labelled_pictures(own, shared_dir):
    path = shared_dir / "data" / "cifar10-jpeg.zip"

    text = run("add_model", own / "cifar10_logits.keras", "--check", path)

    # Found so by its owner, and 51.3% with pixels of 0 to 255.
    assert "top-1 69.4% on 2,000 pictures" in text
    spec = selection.models()["cifar10_logits"]
    assert spec.output
    assert (spec.input.value_range, spec.input.colours) == ((0, 1), "RGB")
    assert (spec.output.activation, spec.labels) == ("softmax", CIFAR10_LABELS)
    assert spec.accuracy_percent == 69.4


def test_a_quantized_mobilenet_names_the_dog_and_the_eagle(own, shared_dir):
    run(
        "add_model",
        own / "mobilenet_v2_1.0_224_quant.tflite",
        "--labels",
        own / "imagenet_labels.txt",
        "--name",
        "mobilenet",
    )

    answers = [
        engine.classify(picture(shared_dir / "samples" / f"{name}.jpg"), model="mobilenet")
        for name in ("dog", "eagle")
    ]

    assert [answer.class_name.split(",")[0] for answer in answers] == ["malamute", "bald eagle"]


@pytest.mark.parametrize(
    ("name", "input_wh", "classes"), [("devanagari", (32, 32), 46), ("fashion", (28, 28), 10)]
)
def test_keras_classifiers_answer_as_keras_does(own, name, input_wh, classes):
    run("add_model", own / f"{name}.keras")
    spec = selection.models()[name]
    assert (spec.input_wh, len(spec.labels)) == (input_wh, classes)
    grey = np.random.default_rng(0).integers(0, 256, (*input_wh[::-1], 1), dtype=np.uint8)
    image = np.repeat(grey, 3, axis=2)

    answer = engine.classify(image, model=name)

    model = keras.models.load_model(own / f"{name}.keras", compile=False)
    values = (grey if model.input_shape[-1] == 1 else image).astype(np.float32) / 255
    expected = model(values[None], training=False).numpy()[0]
    np.testing.assert_allclose([p for _, p in answer.probabilities], expected, atol=1e-3)


def test_wrong_arguments_are_an_error_in_one_sentence(own, tmp_path):
    for arguments in ([tmp_path / "no.onnx"], [own / "fashion.keras", "--labels", tmp_path / "x"]):
        with pytest.raises(CommandError, match="does not exist|is missing"):
            run("add_model", *arguments)
