"""Training of a detector from start to end, on synthetic pictures and with a tiny network."""

import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from ml_core import engine
from ml_core.networks.darknet import build_darknet, load_weights
from ml_core.networks.darknet_cfg import read_config
from ml_core.networks.tests.random_weights import write_random_weights
from ml_core.networks.tests.test_darknet import assert_same_heads
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture, read_labelled_pictures
from ml_core.tests.model_files import echo_onnx
from ml_core.training.callbacks import CheckpointWriter
from ml_core.training.detection.detector import (
    relative_box_sizes,
    resume_training,
    start_training,
)
from ml_core.training.detection.state import DetectorSettings, DetectorState, read_detector_state
from ml_core.training.detection.trainable import TrainableDetector, build_trainable
from ml_core.training.settings import TrainingError
from ml_core.training.tests.drawn_scenes import NAMES, draw_scenes
from ml_core.training.tests.without_graph import without_graph
from ml_core.training.train_detector import VISION_SMALL

ROOT = Path(__file__).parents[3]
SETTINGS = DetectorSettings(name="own", side=64, epochs=2, batch_size=4)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_scenes(tmp_path_factory.mktemp("scenes"), 8)


@pytest.fixture(scope="module")
def pictures(scenes: Path) -> list[LabelledPicture]:
    return read_labelled_pictures(scenes / "images", scenes / "labels", 2)


def train(scenes: Path, output: Path, *more: object) -> str:
    text = io.StringIO()
    call_command(
        *("train_detector", "--images", str(scenes / "images")),
        *("--labels", str(scenes / "labels"), "--output", str(output)),
        *("--model", str(scenes / "tiny.cfg"), "--names", str(scenes / "scenes.names")),
        *map(str, more),
        stdout=text,
    )
    return text.getvalue()


def test_a_byte_order_mark_in_the_network_and_names_is_ignored(scenes, tmp_path, monkeypatch):
    for name in ("tiny.cfg", "scenes.names"):
        tmp_path.joinpath(name).write_bytes(b"\xef\xbb\xbf" + scenes.joinpath(name).read_bytes())
    # What is read is written, also if nothing is learnt.
    monkeypatch.setattr(TrainableDetector, "fit", lambda *args, **kwargs: None)

    train(
        *(scenes, tmp_path / "own", "--epochs", 1, "--side", 64),
        *("--model", tmp_path / "tiny.cfg", "--names", tmp_path / "scenes.names"),
    )

    assert tmp_path.joinpath("own", "own.names").read_text() == "disc\nblock\n"


def silent(line: str) -> None:
    pass


def weights_in(output: Path) -> list[np.ndarray]:
    model = build_darknet(read_config(output / "own.cfg"))
    load_weights(model, output / "own.weights")
    return model.get_weights()


# A training takes seconds, so tests share its result.
@pytest.fixture(scope="module")
@without_graph()
def finished(scenes, pictures, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "own"

    def report(line: str) -> None:
        if line.startswith("epoch 1/"):
            shutil.copytree(output, output.with_name("stopped"))

    start_training(
        pictures, NAMES, SETTINGS, output, config_path=scenes / "tiny.cfg", report=report
    )
    return output


@pytest.fixture
def stopped(finished: Path, tmp_path: Path) -> Path:
    """What is left of a training that is stopped after the first of two epochs."""
    return shutil.copytree(finished.with_name("stopped"), tmp_path / "own")


@pytest.fixture
def own_models(settings, tmp_path):
    """A separate MODEL_DIR for this test."""
    settings.MODEL_DIR = tmp_path / "models"
    settings.DETECTOR, settings.ENGINE, settings.PRECISION = "", "tensorflow", "float32"
    return settings.MODEL_DIR


def test_a_detector_overfits_a_few_pictures_and_is_installed(tmp_path, own_models):
    scenes = draw_scenes(tmp_path / "scenes", 48)

    # Few epochs of many steps, as the checkpoint after each epoch takes longer than ten steps.
    text = train(
        *(scenes, own_models / "own", "--epochs", 24, "--batch-size", 4),
        *("--learning-rate", 0.02),
        *("--evaluate-images", scenes / "images", "--evaluate-labels", scenes / "labels"),
    )

    (measured,) = re.findall(r"mAP@0.5 on \S+: (0\.\d+|1\.0+)", text)
    assert float(measured) > 0.9
    card = own_models.joinpath("own", "own.md").read_text()
    assert f"**{measured}**" in card
    assert "48 pictures with 96 labelled objects, 2 classes" in card
    with Image.open(scenes / "images" / "00.png") as picture:
        found = engine.detect(np.array(picture), model="own")
    assert {detection.class_name for detection in found.detections} == set(NAMES)


def test_the_trained_network_agrees_with_opencv(finished, pictures):
    with Image.open(pictures[0].path) as picture:
        image = np.array(picture)

    assert_same_heads(finished / "own.cfg", finished / "own.weights", image)


def test_a_finished_training_leaves_the_network_and_its_state(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        *("checkpoint.json", "own.cfg", "own.names", "own.weights")
    ]
    assert read_detector_state(finished).is_finished
    assert finished.joinpath("own.names").read_text() == "disc\nblock\n"


def test_batch_normalisation_learns_the_statistics_of_the_pictures(finished):
    model = build_darknet(read_config(finished / "own.cfg"))
    load_weights(model, finished / "own.weights")

    normalisation = model.get_layer("convolutional_0_batch_norm")

    _, _, mean, variance = normalisation.get_weights()
    assert abs(mean).max() > 1e-3
    assert not np.allclose(variance, 1)


@without_graph()
def test_a_resumed_training_gives_the_same_weights(finished, stopped, pictures):
    lines: list[str] = []

    state = resume_training(pictures, stopped, report=lines.append)

    assert state.is_finished
    assert [line.partition(":")[0] for line in lines] == ["epoch 2/2"]
    assert lines[0].endswith("0:00:00 left")
    for one, other in zip(weights_in(finished), weights_in(stopped), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_resuming_a_finished_training_only_writes_its_card(finished, scenes, tmp_path):
    output = shutil.copytree(finished, tmp_path / "own")

    text = train(scenes, output, "--resume")

    assert "epoch" not in text
    assert "Its accuracy was not evaluated" in output.joinpath("own.md").read_text()
    assert output.joinpath("own-curve.png").exists()


@without_graph()
def test_after_the_time_limit_the_network_is_written_and_can_be_resumed(scenes, pictures, tmp_path):
    output = tmp_path / "own"

    text = train(scenes, output, "--epochs", 3, "--batch-size", 8, "--minutes", 0)

    assert "epoch 1/3" in text and "epoch 2/3" not in text
    assert "The time limit is reached" in text and f"--output={output} --resume" in text
    assert len(read_detector_state(output).history) == 1
    assert all(np.isfinite(array).all() for array in weights_in(output))
    assert list(output.glob("checkpoint-0001.weights.h5"))


@without_graph()
def test_weights_of_other_classes_initialise_all_layers_but_the_heads(
    finished, scenes, pictures, tmp_path
):
    one_class = [replace(p, class_ids=p.class_ids * 0) for p in pictures]

    start_training(
        one_class,
        ("thing",),
        # A learning rate of zero leaves the initial weights unchanged.
        replace(SETTINGS, epochs=1, batch_size=8, learning_rate=0.0),
        tmp_path / "own",
        config_path=finished / "own.cfg",
        weights_path=finished / "own.weights",
        report=silent,
    )

    start, continued = weights_in(finished), weights_in(tmp_path / "own")
    np.testing.assert_allclose(start[0], continued[0], rtol=1e-6)
    assert [array.shape[-1] for array in (start[-1], continued[-1])] == [7, 6]
    assert read_detector_state(tmp_path / "own").settings.started_from == "own.weights"


@without_graph()
def test_training_starts_from_an_installed_model_by_name(finished, scenes, own_models):
    shutil.copytree(finished, own_models / "own")

    train(scenes, own_models / "next", "--model", "own", "--epochs", 1, "--side", 64)

    assert "| started from | own.weights |" in (own_models / "next" / "next.md").read_text()


def test_training_cannot_start_from_a_model_that_is_no_darknet_network(
    scenes, tmp_path, own_models
):
    folder = own_models / "other"
    folder.mkdir(parents=True)
    echo_onnx(folder / "net.onnx", [1, 3, 64, 64])
    folder.joinpath("model.toml").write_text(
        'task = "detection"\nformat = "onnx"\nfiles = ["net.onnx"]\nlabels = ["a"]\n'
        '[input]\nsize = [64, 64]\n[output]\nlayout = "yolox"\n'
    )

    with pytest.raises(CommandError, match="from a Darknet network; the format of other is onnx"):
        train(scenes, tmp_path / "own", "--model", "other")

    assert not tmp_path.joinpath("own").exists()


def test_mixed_precision_trains_and_leaves_float32_weights(scenes, pictures, tmp_path):
    settings = replace(SETTINGS, epochs=1, precision="mixed_bfloat16")

    start_training(
        pictures, NAMES, settings, tmp_path / "own", config_path=scenes / "tiny.cfg", report=silent
    )

    assert all(np.isfinite(array).all() for array in weights_in(tmp_path / "own"))
    assert keras.config.dtype_policy().name == "float32"


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    writer = CheckpointWriter(DetectorState(SETTINGS, "", NAMES, 8, 16, ""), tmp_path, silent)
    writer.on_epoch_begin(0)

    with pytest.raises(TrainingError, match="--learning-rate below 0.002"):
        writer.on_epoch_end(0, {"loss": float("nan")})


def test_a_training_is_not_overwritten(scenes, stopped):
    with pytest.raises(CommandError, match="Continue it with --resume"):
        train(scenes, stopped)


def test_resuming_with_other_data_is_refused(stopped, pictures):
    with pytest.raises(LabelError, match="started with 16 objects in 8 pictures, received 14 in 7"):
        resume_training(pictures[1:], stopped)


def test_invalid_labels_are_refused_before_the_training(scenes, tmp_path):
    wrong = shutil.copytree(scenes, tmp_path / "wrong")
    wrong.joinpath("labels", "03.txt").write_text("7 0.5 0.5 0.1 0.1\n")

    with pytest.raises(CommandError, match="03.txt, line 1: expected a class from 0 to 1"):
        train(wrong, tmp_path / "own")

    assert not tmp_path.joinpath("own").exists()


@without_graph()
def test_the_error_names_a_truncated_picture(scenes, tmp_path):
    cut = shutil.copytree(scenes, tmp_path / "cut")
    picture = cut / "images" / "05.png"
    picture.write_bytes(picture.read_bytes()[:-60])

    with pytest.raises(CommandError, match="05.png is not a picture that can be read"):
        train(cut, tmp_path / "own", "--batch-size", 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--side", 100), "multiple of 32 pixels, received 100"),
        (("--evaluate-images", "somewhere"), "belong together"),
        (("--model", "nonsense"), "no detection model 'nonsense'"),
        (("--model", "nowhere.cfg"), "nowhere.cfg"),
        (("--resume",), "no unfinished training"),
    ],
)
def test_wrong_arguments_are_errors(scenes, tmp_path, arguments, message):
    with pytest.raises(CommandError, match=message):
        train(scenes, tmp_path / "own", *arguments)


def test_pictures_without_objects_are_refused(pictures):
    empty = [replace(p, boxes_xyxy=np.empty((0, 4)), class_ids=np.empty(0)) for p in pictures]

    with pytest.raises(LabelError, match="Expected labelled objects"):
        relative_box_sizes(empty)


@pytest.mark.parametrize("side", [192, 320])
def test_the_shipped_network_is_small_and_has_three_scales(side):
    text = re.sub(r"(?m)^(width|height)=\d+", rf"\1={side}", VISION_SMALL.read_text())
    state = DetectorState(SETTINGS, text, ("x",) * 80, 8, 16, "")

    model = build_trainable(state)

    assert [output.shape[1] for output in model.outputs] == [side // 32, side // 16, side // 8]
    assert 1e6 < model.count_params() < 3e6
    assert len(model.grid) == 63 * (side // 32) ** 2


def test_the_shipped_network_agrees_with_opencv(tmp_path):
    config = read_config(VISION_SMALL)
    width, height = config.input_wh
    write_random_weights(config, tmp_path / "random.weights", config.input_wh)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)

    assert_same_heads(VISION_SMALL, tmp_path / "random.weights", image)


def test_training_needs_only_keras_numpy_opencv_and_pillow():
    missing = ("django", "rest_framework", "tqdm", "matplotlib", "pycocotools", "openvino")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "import ml_core.training.train_detector, ml_core.training.detection.detector"
    )

    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
