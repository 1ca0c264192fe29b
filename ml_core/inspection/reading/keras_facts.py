"""What a Keras file says about itself: shapes, layers that scale pixels, the last activation."""

from collections.abc import Iterator
from functools import lru_cache

import keras

from ml_core.catalog.specs import ModelSpec
from ml_core.inspection.reading.facts import Facts, Tensor
from ml_core.networks.keras_file import named_outputs, open_keras_file

# Names of networks in keras.applications begin with these.
BACKBONES = (
    "convnext", "densenet", "efficientnet", "inception", "mobilenet", "nasnet", "resnet", "vgg",
    "xception",
)  # fmt: skip
SCALING_LAYERS = ("Rescaling", "Normalization", "TrueDivide", "Divide", "Subtract")
FEATURE_LAYERS = ("Conv", "Dense", "SeparableConv", "DepthwiseConv")

# All steps of a process are about one file, and opening a large one takes seconds.
open_once = lru_cache(maxsize=1)(open_keras_file)


def keras_facts(spec: ModelSpec) -> Facts:
    """Open the file of ``spec``. Raises ``ModelFileError``."""
    model = open_once(spec.paths[0])
    (image,) = model.inputs
    outputs = named_outputs(model, model(image))
    backbones = (
        part.name
        for part in (model, *_layers(model))
        if isinstance(part, keras.Model) and part.name.lower().startswith(BACKBONES)
    )
    return Facts(
        image=Tensor("image", tuple(image.shape), image.dtype),
        outputs=tuple(
            Tensor(name, tuple(output.shape), output.dtype, _activation(model))
            for name, output in outputs.items()
        ),
        scaling_layer=_scaling_layer(model),
        backbone=next(backbones, ""),
    )


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers in their order; nested models before their layers."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _scaling_layer(model: keras.Model) -> str:
    """The kind of a layer that scales pixels before the first convolution, or ""."""
    for layer in _layers(model):
        kind = type(layer).__name__
        if kind in SCALING_LAYERS:
            return kind
        if kind.startswith(FEATURE_LAYERS):
            break
    return ""


def _activation(model: keras.Model) -> str:
    """The name of the activation at the end, as an operation: "Softmax", "Sigmoid" or ""."""
    last = model.layers[-1]
    if isinstance(last, keras.Model):
        return _activation(last)
    if isinstance(last, keras.layers.Softmax):
        return "Softmax"
    name = getattr(getattr(last, "activation", None), "__name__", "")
    return {"softmax": "Softmax", "sigmoid": "Sigmoid"}.get(name, "")
