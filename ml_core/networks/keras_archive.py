"""Check a Keras file before Keras opens it: such a file can name any code to be run.

Only layers of Keras itself are accepted, and whole detectors of the package zeromodels: no
``Lambda``, no classes of the author, nothing pickled, no layer that opens further files. Needs no
Keras.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ml_core.catalog.formats import ModelFileError

# A ``.keras`` file is a zip archive of these.
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
MAX_CONFIG_BYTES = 50 * 10**6
# Weights hardly compress.
MAX_RATIO = 100
# They run code that the file brings, or open other files.
REFUSED_CLASSES = {
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "__lambda__",
}
# Detectors in pure Keras of an optional package, by the names under which it registers them, and
# their modules. Such a model is built from numbers in its configuration, with no layers in it.
DETECTORS = {
    "zeromodels>RTDETRDetect": "zeromodels.models.rt_detr",
    "zeromodels>RTDETRV2Detect": "zeromodels.models.rt_detr_v2",
    "zeromodels>DFineDetect": "zeromodels.models.dfine",
}


def check_keras_file(path: Path) -> dict[str, Any]:
    """The configuration of the model in a ``.keras`` or ``.h5`` file.

    Raises ``ModelFileError`` if it is damaged, or holds anything that would run as code.
    """
    config = _h5_config(path) if path.suffix in (".h5", ".hdf5") else _zip_config(path)
    # How it was trained is never read.
    config.pop("compile_config", None)
    parts = _parts(config)
    if detector_module(config):
        _check_detector(config)
        parts = _parts(list(config.values()))
    for part in parts:
        if isinstance(part, dict):
            _check_part(part)
    return config


def detector_module(config: dict[str, Any]) -> str:
    """The module that defines the detector of zeromodels in a configuration, or ""."""
    return DETECTORS.get(str(config.get("registered_name")), "")


def _zip_config(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename not in MEMBERS and not member.is_dir():
                    raise ModelFileError(
                        f"{path.name} holds {member.filename!r}; expected only "
                        f"{', '.join(sorted(MEMBERS))}."
                    )
                if member.file_size > MAX_RATIO * max(member.compress_size, 1000):
                    raise ModelFileError(f"{path.name} would unpack to a hundred times its size.")
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                raise ModelFileError(f"{path.name}: config.json is too large.")
            return _parsed(archive.read("config.json"), path)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, EOFError) as exc:
        raise ModelFileError(f"{path.name} is no complete .keras file: {exc}") from exc


def _h5_config(path: Path) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ModelFileError(
                    f"{path.name} holds weights only. Save the whole model: "
                    'model.save("model.keras").'
                )
            text = file.attrs["model_config"]
            return _parsed(text.encode() if isinstance(text, str) else bytes(text), path)
    except (OSError, RuntimeError, KeyError) as exc:
        raise ModelFileError(f"{path.name} is no complete HDF5 file: {exc}") from exc


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ModelFileError(f"{path.name}: its configuration is not valid JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise ModelFileError(f"{path.name}: its configuration is no JSON object.")
    return config


def _parts(config: Any) -> Iterator[Any]:
    """All objects, lists and values in a configuration, without recursion."""
    pending = [config]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, dict):
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def _check_detector(config: dict[str, Any]) -> None:
    name = config.get("class_name")
    if config["registered_name"] != f"zeromodels>{name}":
        raise ModelFileError(f"Its class has two names, {name} and {config['registered_name']}.")
    if not find_spec("zeromodels"):
        raise ModelFileError(
            f"Its {name} comes from the package zeromodels, which is not installed: "
            "pip install -r requirements-zeromodels.txt"
        )
    # Importing the package registers classes that nothing in the file needs.
    for text in _parts(config.get("config")):
        if isinstance(text, str) and ">" in text:
            raise ModelFileError(f"Its {name} names another class, {text[:80]!r}.")


def _check_part(part: dict[str, Any]) -> None:
    name, module = part.get("class_name"), part.get("module")
    registered = part.get("registered_name")
    if isinstance(name, str) and name in REFUSED_CLASSES:
        raise ModelFileError(
            f"It has a {name} layer, which is code from the file. Replace it by layers of Keras."
        )
    if isinstance(module, str) and not _is_accepted(module, part):
        raise ModelFileError(
            f"Its {name} comes from {module!r}, which is not in the file. Only layers of Keras "
            "are accepted: export the model to ONNX."
        )
    if isinstance(registered, str) and ">" in registered and name is not None:
        package = registered.split(">")[0]
        if package.lower() != "keras":
            raise ModelFileError(
                f"Its {name} is a class of its author ({registered}), which is not in the file. "
                "Export the model to ONNX."
            )


def _is_accepted(module: str, part: dict[str, Any]) -> bool:
    if module == "builtins":
        # Keras looks up the names of functions, such as activations, among its own.
        return part.get("class_name") in ("function", "slice", "dict", "tuple", "list")
    return re.fullmatch(r"keras(\.\w+)*", module) is not None
