"""ResNet v2 for 32 x 32 pictures: He et al. 2016, "Identity mappings in deep residual networks"
(https://arxiv.org/abs/1603.05027), in the layout of Keras's CIFAR-10 example.

Three stages of bottleneck blocks at 32, 16 and 8 pixels. Each block applies batch normalisation and
ReLU *before* its convolutions, so that the sum of shortcut and residual passes on unchanged.
"""

import warnings
from pathlib import Path
from typing import Any

import keras
from keras import layers

from ml_core.networks.classifier_description import ClassifierDescription, DescriptionError

RESOLUTION_WH = (32, 32)
MIN_DEPTH = 11
# Averages over tens of batches (Keras's default 0.99: hundreds), so that the statistics converge
# on small data sets, too, which have few batches per epoch.
BATCH_NORM_MOMENTUM = 0.9
# The RGB mean of CIFAR-10's training pictures, in [0, 1].
CIFAR10_MEAN = (0.49125040, 0.48209027, 0.44652092)

Tensor = Any


class DepthError(ValueError):
    """There is no ResNet v2 of this depth."""


def build_resnet_v2(
    *, depth: int = 56, num_classes: int = 10, mean: tuple[float, float, float] = CIFAR10_MEAN
) -> keras.Model:
    """Build the network with random weights.

    Takes (B, 32, 32, 3) uint8 RGB, returns (B, num_classes) softmax probabilities. ``depth``
    counts the layers with weights and must be 9n + 2; ``mean`` is the training pictures' RGB
    mean in [0, 1], subtracted inside the model. Raises ``DepthError``.
    """
    if depth < MIN_DEPTH or (depth - 2) % 9:
        nearest = max(MIN_DEPTH, round((depth - 2) / 9) * 9 + 2)
        raise DepthError(
            f"Expected a depth of 9n + 2 (11, 20, ... 56, ... 110), received {depth}. "
            f"The nearest is {nearest}."
        )
    num_blocks = (depth - 2) // 9
    width, height = RESOLUTION_WH
    image = layers.Input((height, width, 3), dtype="uint8", name="image")
    # In float32 even under mixed precision: bfloat16 cannot tell neighbouring pixel values apart.
    x = layers.Rescaling(
        1 / 255, offset=[-value for value in mean], dtype="float32", name="preprocessing"
    )(image)
    x = convolution(x, 16, size=3, name="stem_conv")
    x = normalized_relu(x, name="stem")
    # The stem's output is already activated.
    x = residual_stack(x, 16, 64, num_blocks, strides=1, preactivated=True, name="stage1")
    x = residual_stack(x, 64, 128, num_blocks, strides=2, name="stage2")
    x = residual_stack(x, 128, 256, num_blocks, strides=2, name="stage3")
    x = normalized_relu(x, name="head")
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    probabilities = layers.Dense(
        num_classes,
        activation="softmax",
        kernel_initializer="he_normal",
        dtype="float32",
        name="probabilities",
    )(x)
    return keras.Model(image, probabilities, name=f"resnet{depth}v2")


def load_resnet_v2(description: ClassifierDescription, weights_path: Path) -> keras.Model:
    """Build the network of ``description`` and load a ``.weights.h5`` file into it.

    Raises ``DescriptionError`` if they do not match.
    """
    model = build_resnet_v2(
        depth=description.depth, num_classes=len(description.labels), mean=description.mean
    )
    try:
        with warnings.catch_warnings():
            # Keras warns about a mismatch before it raises the error reported below.
            warnings.simplefilter("ignore", UserWarning)
            model.load_weights(weights_path)
    except (OSError, ValueError, KeyError) as exc:
        raise DescriptionError(
            f"{weights_path} does not hold the weights of {model.name} with "
            f"{len(description.labels)} classes, which the JSON file beside it describes: {exc}"
        ) from exc
    return model


def residual_stack(
    x: Tensor,
    filters: int,
    filters_out: int,
    num_blocks: int,
    *,
    strides: int,
    preactivated: bool = False,
    name: str,
) -> Tensor:
    """A stage of ``num_blocks`` blocks; the first may halve the resolution."""
    x = residual_block(
        x,
        filters,
        filters_out,
        strides=strides,
        project_shortcut=True,
        preactivated=preactivated,
        name=f"{name}_block1",
    )
    for number in range(2, num_blocks + 1):
        x = residual_block(x, filters, filters_out, name=f"{name}_block{number}")
    return x


def residual_block(
    x: Tensor,
    filters: int,
    filters_out: int,
    *,
    strides: int = 1,
    project_shortcut: bool = False,
    preactivated: bool = False,
    name: str,
) -> Tensor:
    """A bottleneck of 1x1, 3x3 and 1x1 convolutions, added to its input.

    ``project_shortcut`` applies a 1x1 convolution to the shortcut, which is needed where resolution
    or channels change. ``preactivated`` says that the input is already activated.
    """
    residual = x if preactivated else normalized_relu(x, name=f"{name}_1")
    residual = convolution(residual, filters, size=1, strides=strides, name=f"{name}_1_conv")
    residual = normalized_relu(residual, name=f"{name}_2")
    residual = convolution(residual, filters, size=3, name=f"{name}_2_conv")
    residual = normalized_relu(residual, name=f"{name}_3")
    residual = convolution(residual, filters_out, size=1, name=f"{name}_3_conv")
    if project_shortcut:
        x = convolution(x, filters_out, size=1, strides=strides, name=f"{name}_shortcut_conv")
    return layers.Add(name=f"{name}_add")([x, residual])


def convolution(x: Tensor, filters: int, *, size: int, strides: int = 1, name: str) -> Tensor:
    """Convolution with bias and zero padding."""
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def normalized_relu(x: Tensor, *, name: str) -> Tensor:
    """Batch normalisation, then ReLU."""
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)
