"""The classification network: its layout, its checks, and existing trained weights."""

import io
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from ml_core.networks.classifier_description import (
    CIFAR10_WEIGHTS,
    ClassifierDescription,
    DescriptionError,
    read_description,
    write_description,
)
from ml_core.networks.resnet_v2 import CIFAR10_MEAN, DepthError, build_resnet_v2, load_resnet_v2


def random_images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def small_network() -> keras.Model:
    return build_resnet_v2(depth=11, num_classes=4, mean=(0.5, 0.4, 0.3))


def test_the_default_network_has_the_published_layout():
    model = build_resnet_v2()

    assert model.name == "resnet56v2"
    assert model.count_params() == 1_673_738
    assert len(model.get_weights()) == 338
    assert model.input_shape == (None, 32, 32, 3)
    assert model.inputs[0].dtype == "uint8"


def test_the_network_returns_a_probability_for_every_class(small_network):
    probabilities = small_network(random_images(5), training=False)

    assert probabilities.shape == (5, 4)
    np.testing.assert_allclose(np.asarray(probabilities).sum(axis=1), 1, atol=1e-5)


def test_every_layer_has_an_explicit_name(small_network):
    # Keras's default names end in a number, such as conv2d_12.
    kinds = ("conv2d", "batch_normalization", "activation", "add", "dense")

    assert not [layer.name for layer in small_network.layers if layer.name.startswith(kinds)]


def test_the_mean_is_subtracted_inside_the_network(small_network):
    scaled = small_network.get_layer("preprocessing")(np.full((1, 1, 1, 3), 255, np.uint8))

    np.testing.assert_allclose(np.asarray(scaled).ravel(), [0.5, 0.6, 0.7], atol=1e-6)


@pytest.mark.parametrize(("depth", "nearest"), [(2, 11), (10, 11), (50, 47), (55, 56), (164, 164)])
def test_a_depth_must_be_nine_n_plus_two(depth, nearest):
    if depth == nearest:
        assert build_resnet_v2(depth=depth).name == f"resnet{depth}v2"
        return

    with pytest.raises(DepthError, match=rf"received {depth}. The nearest is {nearest}\."):
        build_resnet_v2(depth=depth)


def test_a_saved_network_gives_the_same_probabilities(small_network, tmp_path):
    path = tmp_path / "own.weights.h5"
    labels = ("a", "b", "c", "d")
    small_network.save_weights(path)
    write_description(ClassifierDescription("own", 11, (0.5, 0.4, 0.3), labels, 0.5), path)
    # As a Windows editor would save it.
    tmp_path.joinpath("own.json").write_bytes(
        b"\xef\xbb\xbf" + tmp_path.joinpath("own.json").read_bytes()
    )

    description = read_description(path)
    loaded = load_resnet_v2(description, path)

    assert description.labels == labels
    images = random_images(3)
    np.testing.assert_array_equal(loaded(images), small_network(images))


def test_weights_of_another_depth_are_refused_with_both_files_named(small_network, tmp_path):
    path = tmp_path / "own.weights.h5"
    small_network.save_weights(path)
    description = ClassifierDescription("own", 20, (0.5, 0.4, 0.3), ("a", "b", "c", "d"), 0.5)

    with pytest.raises(DescriptionError, match="weights of resnet20v2 with 4 classes"):
        load_resnet_v2(description, path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DescriptionError, match=r"own\.weights\.h5 is missing"):
        read_description(tmp_path / "own.weights.h5")


@pytest.mark.parametrize("text", ["", "[]", '{"name": "own"}', '{"mean": [0.5]}'])
def test_a_damaged_description_is_refused(tmp_path, text):
    (tmp_path / "own.weights.h5").write_bytes(b"")
    (tmp_path / "own.json").write_text(text)

    with pytest.raises(DescriptionError, match=r"own\.json is no description"):
        read_description(tmp_path / "own.weights.h5")


def test_existing_trained_weights_load_exactly(shared_dir):
    reference = keras.saving.load_model(shared_dir / "models" / "resnet56v2_cifar10.keras")
    images = []
    with zipfile.ZipFile(shared_dir / "data" / "cifar10-jpeg.zip") as archive:
        for name in [f"test/{label}/000{n}.jpg" for label in ("cat", "ship") for n in range(4)]:
            images.append(np.array(Image.open(io.BytesIO(archive.read(name)))))
    batch = np.stack(images)

    model = build_resnet_v2()
    model.set_weights(reference.get_weights())

    expected = reference((batch / 255 - CIFAR10_MEAN).astype(np.float32), training=False)
    np.testing.assert_allclose(model(batch, training=False), expected, atol=1e-5)


def test_the_shipped_weights_are_small_and_complete():
    description = read_description(CIFAR10_WEIGHTS)

    model = load_resnet_v2(description, CIFAR10_WEIGHTS)

    assert CIFAR10_WEIGHTS.stat().st_size < 8e6
    assert model.output_shape == (None, len(description.labels))
    assert description.mean == CIFAR10_MEAN
