"""Training of a classifier from start to end, on synthetic pictures and with a small network."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from ml_core.networks.classifier_description import read_description
from ml_core.networks.resnet_v2 import build_resnet_v2, load_resnet_v2
from ml_core.training.callbacks import CheckpointWriter, ProgressBar
from ml_core.training.checkpoint import has_checkpoint
from ml_core.training.classification.batches import (
    AugmentedBatches,
    random_crop,
    random_cutout,
    random_flip,
)
from ml_core.training.classification.classifier import resume_training, rgb_mean, start_training
from ml_core.training.classification.data import Dataset, DatasetError, Split
from ml_core.training.classification.evaluation import evaluate
from ml_core.training.classification.state import (
    ClassifierSettings,
    ClassifierState,
    read_classifier_state,
)
from ml_core.training.schedule import OneCycle
from ml_core.training.settings import TrainingError
from ml_core.training.tests.drawn_pictures import LABELS, drawn_picture
from ml_core.training.tests.without_graph import without_graph

SETTINGS = ClassifierSettings(
    name="shapes", depth=11, epochs=2, batch_size=12, learning_rate=0.05, cutout=6
)


def draw_split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    class_ids = np.arange(count) % len(LABELS)
    images = [np.array(drawn_picture(LABELS[class_id], rng)) for class_id in class_ids]
    return Split(np.stack(images), class_ids)


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    return Dataset("shapes.zip", LABELS, draw_split(25, seed=0), draw_split(6, seed=1))


def silent(line: str) -> None:
    pass


def weights_in(output: Path) -> list[np.ndarray]:
    path = output / "shapes.weights.h5"
    return load_resnet_v2(read_description(path), path).get_weights()


class Stopped(Exception):
    """Replaces KeyboardInterrupt, which would stop pytest."""


def stop(*_: object, **__: object) -> None:
    raise Stopped


# A training takes seconds, so tests share its result.
@pytest.fixture(scope="module")
@without_graph()
def finished(shapes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "shapes"

    def report(line: str) -> None:
        if line.startswith("epoch 1/"):
            shutil.copytree(output, output.with_name("stopped"))

    start_training(shapes, SETTINGS, output, report=report)
    return output


@pytest.fixture
def stopped(finished: Path, tmp_path: Path) -> Path:
    """What is left of a training that is stopped after the first of two epochs."""
    return shutil.copytree(finished.with_name("stopped"), tmp_path / "stopped")


def test_a_classifier_overfits_a_few_pictures(tmp_path):
    split = draw_split(24, seed=0)
    # Few epochs of many steps, as the checkpoint after each epoch takes longer than a step.
    train = Split(np.tile(split.images, (3, 1, 1, 1)), np.tile(split.class_ids, 3))
    settings = replace(SETTINGS, epochs=4, batch_size=4, cutout=0)

    evaluation = start_training(
        Dataset("shapes", LABELS, train, split), settings, tmp_path, report=silent
    )

    assert evaluation.accuracy == 1


def test_all_results_are_written_and_the_checkpoint_is_gone(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "shapes-confusion.png",
        "shapes-curve.png",
        "shapes.json",
        "shapes.md",
        "shapes.weights.h5",
    ]


def test_the_description_has_what_inference_needs(finished, shapes):
    description = read_description(finished / "shapes.weights.h5")

    assert (description.name, description.depth) == ("shapes", 11)
    assert description.labels == LABELS
    assert description.mean == pytest.approx(rgb_mean(shapes.train.images))
    assert 0 <= description.test_accuracy <= 1


def test_the_card_states_data_settings_and_accuracy(finished):
    card = (finished / "shapes.md").read_text()

    accuracy = read_description(finished / "shapes.weights.h5").test_accuracy
    assert f"**{100 * accuracy:.2f}%**" in card
    assert "shapes.zip: 25 training and 6 test pictures, 3 classes" in card
    assert "| epochs | 2 |" in card
    assert "cutout 6 pixels" in card
    assert f"Keras {keras.__version__}" in card
    for line in ("| bar ", "| disc ", "| ring ", "| all "):
        assert line in card


@pytest.mark.parametrize("name", ["shapes-curve.png", "shapes-confusion.png"])
def test_the_card_shows_its_pictures(finished, name):
    assert f"({name})" in (finished / "shapes.md").read_text()
    with Image.open(finished / name) as picture:
        assert picture.width > 300


def test_the_weights_file_has_no_optimizer_state(finished):
    parameters = build_resnet_v2(depth=11, num_classes=3).count_params()

    assert (finished / "shapes.weights.h5").stat().st_size < 4 * parameters + 200_000


@without_graph()
def test_a_resumed_training_gives_the_same_weights(finished, stopped, shapes):
    assert len(read_classifier_state(stopped).history) == 1
    lines: list[str] = []

    resume_training(shapes, stopped, report=lines.append)

    assert [line.partition(":")[0] for line in lines] == ["epoch 2/2"]
    assert lines[0].endswith("00:00 left")
    for one, other in zip(weights_in(finished), weights_in(stopped), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@without_graph()
def test_a_training_stopped_in_its_first_epoch_can_be_resumed(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(ProgressBar, "on_train_batch_end", stop)

    with pytest.raises(Stopped):
        start_training(shapes, SETTINGS, tmp_path, report=silent)

    assert has_checkpoint(tmp_path)
    assert read_classifier_state(tmp_path).history == ()


def test_an_unfinished_training_is_not_overwritten(shapes, stopped):
    with pytest.raises(TrainingError, match="Continue it with --resume"):
        start_training(shapes, SETTINGS, stopped, report=silent)


def test_resuming_with_other_data_is_refused(stopped, shapes):
    with pytest.raises(DatasetError, match="started with 25 pictures of 3 classes; more has 26"):
        resume_training(Dataset("more", LABELS, draw_split(26, 0), shapes.test), stopped)


def test_resuming_without_a_checkpoint_is_an_error(shapes, tmp_path):
    with pytest.raises(TrainingError, match="no unfinished training"):
        resume_training(shapes, tmp_path)


def test_the_error_names_a_damaged_checkpoint(shapes, stopped):
    next(stopped.glob("*.weights.h5")).write_bytes(b"cut off")

    with pytest.raises(TrainingError, match="checkpoint-0001"):
        resume_training(shapes, stopped)


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_checkpoint(tmp_path):
    state = ClassifierState(SETTINGS, LABELS, (0.5, 0.5, 0.5), train_count=25)
    writer = CheckpointWriter(state, tmp_path, silent)
    writer.on_epoch_begin(0)

    with pytest.raises(TrainingError, match="--learning-rate below 0.05"):
        writer.on_epoch_end(0, {"loss": float("nan")})

    assert not has_checkpoint(tmp_path)


@without_graph()
def test_weights_of_other_classes_initialise_all_layers_but_the_last(finished, shapes, tmp_path):
    train, test = (Split(s.images, s.class_ids % 2) for s in (shapes.train, shapes.test))
    # A learning rate of zero leaves the initial weights unchanged.
    settings = replace(SETTINGS, epochs=1, batch_size=25, learning_rate=0.0)

    start_training(
        Dataset("own", ("no", "yes"), train, test),
        settings,
        tmp_path,
        start_weights=finished / "shapes.weights.h5",
        report=silent,
    )

    start, continued = weights_in(finished), weights_in(tmp_path)
    np.testing.assert_array_equal(start[0], continued[0])
    assert (start[-1].shape, continued[-1].shape) == ((3,), (2,))
    assert "| started from | shapes |" in (tmp_path / "shapes.md").read_text()


def test_initial_weights_of_another_depth_are_refused(finished, shapes, tmp_path):
    with pytest.raises(TrainingError, match="has depth 11, but a depth of 20"):
        start_training(
            shapes,
            replace(SETTINGS, depth=20),
            tmp_path,
            start_weights=finished / "shapes.weights.h5",
            report=silent,
        )


def test_mixed_precision_trains_and_leaves_float32_weights(shapes, tmp_path):
    settings = replace(SETTINGS, epochs=1, precision="mixed_float16")

    start_training(shapes, settings, tmp_path, report=silent)

    assert all(array.dtype == np.float32 for array in weights_in(tmp_path))
    assert keras.config.dtype_policy().name == "float32"


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_zero():
    schedule = OneCycle(peak=0.5, total_steps=100)

    rates = np.array([float(schedule(step)) for step in range(101)])

    assert rates[0] == pytest.approx(0.05)
    assert rates.argmax() == 10
    assert rates.max() == pytest.approx(0.5)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[100] == pytest.approx(0, abs=1e-6)


def batches_of(split: Split, start_epoch: int = 0) -> AugmentedBatches:
    return AugmentedBatches(
        split,
        num_classes=3,
        batch_size=8,
        cutout=6,
        fill=np.zeros(3, np.uint8),
        seed=7,
        start_epoch=start_epoch,
    )


def test_a_batch_is_augmented_uint8_with_one_hot_labels(shapes):
    images, labels = batches_of(shapes.train)[0]

    assert (images.shape, images.dtype) == ((8, 32, 32, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((8, 3), np.float32)
    assert (labels.sum(axis=1) == 1).all()


def test_a_restarted_epoch_has_the_same_batches(shapes):
    through = batches_of(shapes.train)
    first = through[1][0]
    through.on_epoch_end()

    resumed = batches_of(shapes.train, start_epoch=1)

    np.testing.assert_array_equal(resumed[1][0], through[1][0])
    assert (resumed[1][0] != first).any()


def test_few_pictures_make_one_batch():
    batches = batches_of(draw_split(5, seed=0))

    assert len(batches) == 1
    assert len(batches[0][0]) == 5


def test_a_crop_shifts_by_at_most_four_pixels():
    rows = np.arange(32, dtype=np.uint8)[None, :, None, None]
    images = np.broadcast_to(rows, (64, 32, 32, 3))

    cropped = random_crop(images, np.random.default_rng(0))

    shifts = cropped[:, 16, 0, 0].astype(int) - 16
    assert set(shifts) == set(range(-4, 5))


def test_about_half_of_the_pictures_are_flipped():
    images = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 3), np.uint8)

    flipped = random_flip(images, np.random.default_rng(0))

    kept = (flipped == images).all(axis=(1, 2, 3))
    assert 70 < kept.sum() < 130
    np.testing.assert_array_equal(flipped[~kept], images[~kept][:, :, ::-1])


def test_cutout_covers_exactly_one_square():
    images = np.full((50, 32, 32, 3), 9, np.uint8)

    covered = random_cutout(images, np.random.default_rng(0), side=8, fill=np.zeros(3, np.uint8))

    counts = (covered[..., 0] == 0).sum(axis=(1, 2))
    # A square at the border is clipped.
    assert counts.max() == 64
    assert counts.min() >= 16


def test_an_evaluation_counts_predictions_by_class():
    class Guesser:
        def predict(self, images, batch_size, verbose):
            return np.eye(3)[[0, 0, 1, 1]]

    split = Split(np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 1, 1]))

    evaluation = evaluate(Guesser(), split, LABELS)

    assert evaluation.accuracy == 0.75
    assert evaluation.class_accuracy == (1.0, pytest.approx(2 / 3), None)
    assert evaluation.confusion.tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert json.loads(json.dumps(evaluation.to_dict()))["count"] == 4


def test_the_mean_is_rgb_between_zero_and_one():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[..., 0] = 255
    images[0, ..., 2] = 255

    assert rgb_mean(images) == pytest.approx((1, 0, 0.5))
