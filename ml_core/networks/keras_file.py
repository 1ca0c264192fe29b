"""Load the Keras files of users as networks with this project's input and outputs."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from ml_core.catalog.formats import InputFormat, ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.networks.keras_archive import check_keras_file, detector_module
from ml_core.networks.preprocessing import preprocess


def load_keras_file(spec: ModelSpec) -> keras.Model:
    """The network in the file of ``spec``; it takes (B, H, W, 3) uint8 RGB.

    It returns the outputs that ``spec.output`` names, in that order. Raises ``ModelFileError``.
    """
    model = open_keras_file(spec.paths[0])
    return adapt(model, spec.input_wh, spec.input, spec.output.tensors if spec.output else ())


def open_keras_file(path: Path) -> keras.Model:
    """The model as it was saved. Raises ``ModelFileError``."""
    config = check_keras_file(path)
    try:
        model = keras.saving.load_model(
            path, custom_objects=_detectors(config), compile=False, safe_mode=True
        )
    # Keras raises whatever a damaged file leads to.
    except Exception as exc:
        why = " ".join(str(exc).split()) or repr(exc)
        raise ModelFileError(f"Keras cannot load {path.name}: {why[:300]}") from exc
    if len(model.inputs or ()) != 1:
        raise ModelFileError(
            f"Expected a model with one input, a picture; {path.name} has "
            f"{len(model.inputs or ())}."
        )
    return model


def _detectors(config: dict[str, Any]) -> dict[str, type]:
    """The class of zeromodels that a configuration needs, by its registered name."""
    module = detector_module(config)
    if not module:
        return {}
    return {config["registered_name"]: getattr(import_module(module), config["class_name"])}


def adapt(
    model: keras.Model, input_wh: tuple[int, int], input_format: InputFormat, tensors: Sequence[str]
) -> keras.Model:
    """``model`` behind its preprocessing, with the outputs ``tensors``: all if empty.

    Raises ``ModelFileError`` if it does not accept the input's shape or lacks an output.
    """
    width, height = input_wh
    image = keras.Input((height, width, 3), dtype="uint8", name="image")
    values = preprocess(image, input_format, model.inputs[0].dtype)
    try:
        outputs = named_outputs(model, model(values, training=False))
    except Exception as exc:
        raise ModelFileError(
            f"The network's input is {model.inputs[0].shape}; it does not accept {values.shape}."
        ) from exc
    missing = [name for name in tensors if name not in outputs]
    if missing:
        raise ModelFileError(
            f"The network has no output {', '.join(missing)}; it has: {', '.join(outputs)}."
        )
    return keras.Model(image, [outputs[name] for name in tensors or outputs])


def named_outputs(model: keras.Model, result: Any) -> dict[str, Any]:
    """The outputs of a call by name: keys of a dictionary, or names of the last layers."""
    if isinstance(result, dict):
        return result
    outputs = result if isinstance(result, list | tuple) else [result]
    names = [tensor._keras_history.operation.name for tensor in model.outputs]
    if len(set(names)) != len(outputs):
        names = [f"output_{index}" for index in range(len(outputs))]
    return dict(zip(names, outputs, strict=True))
