"""Darknet networks as Keras functional models, built from ``.cfg`` and ``.weights`` files.

A model takes (B, H, W, 3) uint8 RGB pictures and returns the raw feature maps before each
``[yolo]`` section, (B, grid height, grid width, anchors * (5 + classes)) float32.
``networks.yolo`` decodes them into boxes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ml_core.networks.darknet_cfg import DarknetConfig, DarknetError, Section

# As in Darknet and in OpenCV's reader.
BATCH_NORM_EPSILON = 1e-6

Tensor = Any


def build_darknet(config: DarknetConfig, input_wh: tuple[int, int] | None = None) -> keras.Model:
    """Build the network with random weights, every layer named after its section.

    ``input_wh`` (width, height in pixels) overrides the input size of ``config``.
    Raises ``DarknetError``, naming section and line, for sections that do not fit together.
    """
    width, height = input_wh or config.input_wh
    image = layers.Input((height, width, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    outputs: list[Tensor] = []
    heads: list[Tensor] = []
    for section in config.sections:
        try:
            x = BLOCKS[section.kind](x, outputs, section)
        except DarknetError:
            raise
        # Keras's own message names layers and shapes that do not appear in the .cfg file.
        except Exception as exc:
            raise section.error(f"it does not fit its input of {_shape_text(x)}.") from exc
        if section.kind == "yolo":
            heads.append(x)
        outputs.append(x)
    return keras.Model(image, heads, name="darknet")


def convolutional_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Convolution, optional batch normalisation, activation."""
    filters = section.integer("filters", minimum=1)
    size = section.integer("size", minimum=1)
    stride = section.integer("stride", 1, minimum=1)
    groups = section.integer("groups", 1, minimum=1)
    padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0, minimum=0)
    normalized = bool(section.integer("batch_normalize", 0))
    channels = x.shape[-1]
    if channels % groups or filters % groups:
        raise section.error(
            f"groups={groups} must divide {channels} channels and {filters} filters."
        )

    _check_window(x, size, 2 * padding, section)
    if padding:
        # With stride 2, Keras's "same" pads only right and bottom; Darknet pads all sides.
        x = layers.ZeroPadding2D(padding, name=f"{section.name}_padding")(x)
    options = {"strides": stride, "use_bias": not normalized, "name": section.name}
    if groups == channels == filters:
        x = layers.DepthwiseConv2D(size, **options)(x)
    else:
        x = layers.Conv2D(filters, size, groups=groups, **options)(x)
    if normalized:
        x = layers.BatchNormalization(
            epsilon=BATCH_NORM_EPSILON, name=f"{section.name}_batch_norm"
        )(x)
    return activate(x, section)


def shortcut_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Add earlier outputs of the same width and height.

    If their channel counts differ, only the channels that both have are added.
    """
    others = []
    for index in section.integers("from"):
        other = _earlier(outputs, index, section)
        if other.shape[1:3] != x.shape[1:3]:
            raise section.error(f"cannot add {_shape_text(other)} to {_shape_text(x)}.")
        missing = max(0, x.shape[-1] - other.shape[-1])
        other = other[..., : x.shape[-1]]
        others.append(ops.pad(other, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else other)
    return activate(layers.Add(name=section.name)([x, *others]), section)


def route_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Concatenate earlier outputs, or one group of the channels of each, along the channels."""
    sources = [_earlier(outputs, index, section) for index in section.integers("layers")]
    groups, group_id = section.integer("groups", 1, minimum=1), section.integer("group_id", 0)
    if not 0 <= group_id < groups:
        raise section.error(f"group_id={group_id} must be below groups={groups}.")
    for source in sources:
        if source.shape[1:3] != sources[0].shape[1:3]:
            raise section.error(
                f"cannot join {_shape_text(source)} with {_shape_text(sources[0])}."
            )
        if source.shape[-1] % groups:
            raise section.error(f"groups={groups} must divide {source.shape[-1]} channels.")
    if groups > 1:
        sources = [ops.split(source, groups, axis=-1)[group_id] for source in sources]
    if len(sources) == 1:
        return sources[0]
    return layers.Concatenate(name=section.name)(sources)


def upsample_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Nearest-neighbour upsampling by ``stride``."""
    return layers.UpSampling2D(section.integer("stride", minimum=1), name=section.name)(x)


def maxpool_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Max pooling. Darknet pads ``size - 1`` in total, the smaller half left and top."""
    size = section.integer("size", minimum=1)
    padding = section.integer("padding", size - 1, minimum=0)
    stride = section.integer("stride", 1, minimum=1)
    _check_window(x, size, padding, section)
    before, after = padding // 2, padding - padding // 2
    if padding:
        sides = ((0, 0), (before, after), (before, after), (0, 0))
        x = ops.pad(x, sides, constant_values=float("-inf"))
    return layers.MaxPooling2D(size, stride, name=section.name)(x)


def dropout_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Identity: dropout applies only in training."""
    return x


def yolo_block(x: Tensor, outputs: list[Tensor], section: Section) -> Tensor:
    """Identity, after checking that the channels match the anchors."""
    expected = len(section.integers("mask")) * (5 + section.integer("classes"))
    if x.shape[-1] != expected:
        raise section.error(
            f"expected {expected} channels (anchors * (5 + classes)), received {x.shape[-1]}."
        )
    # A separate layer, so that the output has the section's name.
    return layers.Activation("linear", name=section.name)(x)


BLOCKS: dict[str, Callable[[Tensor, list[Tensor], Section], Tensor]] = {
    "convolutional": convolutional_block,
    "shortcut": shortcut_block,
    "route": route_block,
    "upsample": upsample_block,
    "maxpool": maxpool_block,
    "dropout": dropout_block,
    "yolo": yolo_block,
}


def activate(x: Tensor, section: Section) -> Tensor:
    """Apply the section's activation; Darknet's leaky slope is 0.1."""
    activation = section.options.get("activation", "linear")
    name = f"{section.name}_{activation}"
    if activation == "linear":
        return x
    if activation == "leaky":
        return layers.LeakyReLU(negative_slope=0.1, name=name)(x)
    keras_name = {"logistic": "sigmoid"}.get(activation, activation)
    return layers.Activation(keras_name, name=name)(x)


def _check_window(x: Tensor, size: int, padding: int, section: Section) -> None:
    """Raise ``DarknetError`` if the window exceeds the input; ``padding`` is of both sides."""
    if size > min(x.shape[1:3]) + padding:
        raise section.error(f"size={size} is larger than its input of {_shape_text(x)}.")


def _shape_text(x: Tensor) -> str:
    _, height, width, channels = x.shape
    return f"{width} x {height} with {channels} channels"


def _earlier(outputs: list[Tensor], index: int, section: Section) -> Tensor:
    """The output at ``index``: counted from the first section, or backwards if negative."""
    absolute = index if index >= 0 else len(outputs) + index
    if not 0 <= absolute < len(outputs):
        raise section.error(f"there is no earlier section {index}.")
    return outputs[absolute]


def load_weights(model: keras.Model, path: Path) -> None:
    """Load a ``.weights`` file into ``model``.

    Raises ``DarknetError`` if the file holds fewer or more numbers than the network has weights.
    """
    values = _read_weights(path)
    position = 0
    for layer, batch_norm in _weighted_layers(model):
        shapes = [_darknet_shape(layer)]
        shapes = [(shapes[0][0],)] * (4 if batch_norm else 1) + shapes
        arrays = []
        for shape in shapes:
            size = int(np.prod(shape))
            if position + size > values.size:
                raise DarknetError(
                    f"{path.name} ends within {layer.name}: expected at least {position + size} "
                    f"numbers, received {values.size}. Do .cfg and .weights belong together?"
                )
            arrays.append(values[position : position + size].reshape(shape))
            position += size
        *vectors, kernel = arrays
        kernel = kernel.transpose(_TO_KERAS[_is_depthwise(layer)])
        if batch_norm:
            beta, gamma, mean, variance = vectors
            batch_norm.set_weights([gamma, beta, mean, variance])
            layer.set_weights([kernel])
        else:
            layer.set_weights([kernel, vectors[0]])
    if position != values.size:
        raise DarknetError(
            f"{path.name} holds {values.size - position} numbers more than the network's "
            f"{position}. Do .cfg and .weights belong together?"
        )


def save_weights(model: keras.Model, path: Path) -> None:
    """Save the weights of ``model`` as a ``.weights`` file (header version 0.2)."""
    with path.open("wb") as file:
        np.array([0, 2, 0], np.int32).tofile(file)
        np.array([0], np.int64).tofile(file)
        for layer, batch_norm in _weighted_layers(model):
            kernel, *bias = layer.get_weights()
            if batch_norm:
                gamma, beta, mean, variance = batch_norm.get_weights()
                bias = [beta, gamma, mean, variance]
            kernel = kernel.transpose(np.argsort(_TO_KERAS[_is_depthwise(layer)]))
            for array in [*bias, kernel]:
                array.astype(np.float32).tofile(file)


# Darknet stores kernels as (filters, channels, height, width), Keras as (height, width, channels,
# filters), or (height, width, filters, 1) if depthwise.
_TO_KERAS = {False: (2, 3, 1, 0), True: (2, 3, 0, 1)}


def _is_depthwise(layer: keras.Layer) -> bool:
    return isinstance(layer, layers.DepthwiseConv2D)


def _darknet_shape(layer: keras.Layer) -> tuple[int, ...]:
    to_darknet = np.argsort(_TO_KERAS[_is_depthwise(layer)])
    return tuple(layer.kernel.shape[axis] for axis in to_darknet)


def _weighted_layers(model: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer | None]]:
    """Convolutions and their batch normalisations, in the order of the ``.weights`` file."""
    by_name = {layer.name: layer for layer in model.layers}
    convolutions = (
        layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
    )
    for layer in sorted(convolutions, key=lambda layer: int(layer.name.rsplit("_", 1)[1])):
        yield layer, by_name.get(f"{layer.name}_batch_norm")


def _read_weights(path: Path) -> np.ndarray:
    """The float32 values after the header.

    The header is three int32 and the count of training pictures seen, an int64 since version 0.2
    and an int32 before.
    """
    with path.open("rb") as file:
        header = np.fromfile(file, np.int32, 3)
        if header.size < 3:
            raise DarknetError(f"{path.name} is too short for a .weights file.")
        major, minor, _ = header
        wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
        np.fromfile(file, np.int64 if wide else np.int32, 1)
        body = file.read()
    if len(body) % 4:
        raise DarknetError(f"{path.name} is cut off: its size is not a whole number of floats.")
    return np.frombuffer(body, np.float32)
