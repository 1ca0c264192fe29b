"""Tests of ``train_classifier`` and ``evaluate_classifier`` on generated pictures."""

import fnmatch
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command

from ml_core.networks.classifier_description import CIFAR10_WEIGHTS, read_description
from ml_core.training.callbacks import ProgressBar
from ml_core.training.tests.drawn_pictures import draw_tree
from ml_core.training.tests.without_graph import without_graph


def run(*arguments: object) -> str:
    output = io.StringIO()
    call_command(*map(str, arguments), stdout=output, stderr=output)
    return output.getvalue()


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_tree(tmp_path_factory.mktemp("data") / "shapes", 11)


@pytest.fixture(scope="module")
@without_graph()
def weights(shapes: Path) -> Path:
    """The weights after one epoch of the smallest network."""
    output = shapes.parent / "small"
    options = ["--depth", 11, "--epochs", 1, "--batch-size", 9]
    text = run("train_classifier", "--data", shapes, "--output", output, *options)
    assert "epoch 1/1: loss " in text
    assert f"Weights, model card and pictures are in {output}." in text
    return output / "small.weights.h5"


def test_training_names_the_model_after_its_folder(weights):
    assert weights.is_file()
    assert json.loads(weights.with_name("small.json").read_text())["name"] == "small"


def test_evaluation_prints_a_table_and_the_confusion_matrix(shapes, weights):
    text = run("evaluate_classifier", "--data", shapes, "--weights", weights)

    assert "| class | pictures | accuracy |" in text
    assert "| all   |        6 |" in text
    assert "  0 bar " in text


def test_evaluation_as_json_gives_the_accuracy_of_the_training(shapes, weights):
    answer = json.loads(
        run("evaluate_classifier", "--data", shapes, "--weights", weights, "--json")
    )

    description = json.loads(weights.with_name("small.json").read_text())
    assert answer["model"] == "small"
    assert answer["count"] == 6
    assert answer["accuracy"] == pytest.approx(description["test_accuracy"])
    assert [entry["class_name"] for entry in answer["classes"]] == ["bar", "disc", "ring"]
    assert sum(map(sum, answer["confusion"])) == 6


def test_a_folder_of_classes_the_model_does_not_know_is_refused(tmp_path, weights):
    draw_tree(tmp_path / "shapes", 2).joinpath("bar").rename(tmp_path / "shapes" / "square")

    with pytest.raises(CommandError, match="does not know: square"):
        run("evaluate_classifier", "--data", tmp_path / "shapes", "--weights", weights)


def test_missing_weights_are_named(tmp_path, shapes):
    with pytest.raises(CommandError, match=r"none\.weights\.h5 is missing"):
        run("evaluate_classifier", "--data", shapes, "--weights", tmp_path / "none.weights.h5")


def test_an_interrupted_training_prints_the_command_that_resumes_it(
    settings, shapes, tmp_path, monkeypatch
):
    settings.MODEL_DIR = tmp_path
    output = tmp_path / "resnet11v2-shapes"

    # Ctrl-C in the first epoch.
    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "on_epoch_begin", interrupt)

    with pytest.raises(CommandError) as caught:
        run("train_classifier", "--data", shapes, "--depth", 11)

    assert caught.value.returncode == 130
    assert f"train_classifier --data {shapes} --output {output} --resume" in str(caught.value)
    assert json.loads((output / "checkpoint.json").read_text())["settings"]["name"] == output.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", 12], "received 12. The nearest is 11"),
        (["--resume"], "no unfinished training"),
        (["--epochs", 0], "--epochs: expected 1 or more, received 0"),
    ],
)
def test_invalid_arguments_are_explained(shapes, tmp_path, arguments, message):
    with pytest.raises(CommandError, match=message):
        run("train_classifier", "--data", shapes, "--output", tmp_path / "out", *arguments)


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(CommandError, match="nothing-here does not exist"):
        run("train_classifier", "--data", tmp_path / "nothing-here")


def test_the_shipped_weights_reach_the_accuracy_of_their_model_card(shared_dir, tmp_path):
    # Every tenth picture of each class; all of them take a minute, with the command itself.
    with ZipFile(shared_dir / "data" / "cifar10-jpeg.zip") as archive:
        archive.extractall(tmp_path, fnmatch.filter(archive.namelist(), "test/*/???0.jpg"))

    answer = json.loads(run("evaluate_classifier", "--data", tmp_path, "--json"))

    assert answer["count"] == 1000
    # Measured: 0.881. Rounding differs between engines and processors and may change a few.
    assert answer["accuracy"] == pytest.approx(0.881, abs=0.003)
    # Two standard deviations of the accuracy on 1000 pictures.
    assert answer["accuracy"] == pytest.approx(
        read_description(CIFAR10_WEIGHTS).test_accuracy, abs=0.017
    )
