"""The models of this site: catalogued, shipped with the project, and added by the user.

A folder ``MODEL_DIR/NAME/`` adds the model ``NAME``: with a ``model.toml`` that describes any
model, see ``model_toml``; without one a detector with one ``.cfg``, one ``.weights`` and
optionally one ``.names`` file, or a classifier with the ``.weights.h5`` and ``.json`` files that
``train_classifier`` writes. Any other model file waits for its description.
"""

from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from os import scandir
from pathlib import Path

from ml_core.catalog.catalogue import CATALOG, VISION_SMALL
from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.imagenet import read_class_names
from ml_core.catalog.model_toml import FILE_NAME as MODEL_TOML
from ml_core.catalog.model_toml import MAX_BYTES, MAX_SIDE, read_model_toml
from ml_core.catalog.specs import ModelFile, ModelSpec, Resizing, Task
from ml_core.catalog.undescribed import undescribed_model
from ml_core.errors import ModelNotInstalled, UnknownModel, gettext_noop
from ml_core.labels import COCO_LABELS, read_names
from ml_core.networks.classifier_description import (
    CIFAR10_WEIGHTS,
    WEIGHTS_SUFFIX,
    description_path,
    read_description,
)
from ml_core.networks.darknet_cfg import DarknetError, read_config

# The rows of results have as much room for the name of their model.
MAX_NAME_LENGTH = 100


def read_catalog(model_dir: Path) -> dict[str, ModelSpec]:
    """All models by name: shipped, catalogued, then those the user added to ``model_dir``.

    The first usable one of a task is its default: the shipped classifier, whose classes the first
    stages are about, and a shipped detector only if there is no other.
    """
    shipped = _shipped_classifier()
    specs = {shipped.name: shipped}
    specs |= {spec.name: _with_labels(replace(spec, directory=model_dir)) for spec in CATALOG}
    specs[VISION_SMALL.name] = VISION_SMALL
    folders = model_dir.iterdir() if model_dir.is_dir() else []
    # Hidden folders are those of models that are being added.
    shown = (path for path in folders if path.is_dir() and not path.name.startswith("."))
    for folder in sorted(shown):
        # Another process may delete it meanwhile.
        try:
            spec = _user_model(folder, _versions(folder))
        except FileNotFoundError:
            continue
        if spec and folder.name in specs:
            taken = f"The catalogue already has a model {folder.name}: rename this folder."
            spec = replace(spec, name=f"{folder.name} (yours)", problem=taken)
        if spec and len(folder.name) > MAX_NAME_LENGTH:
            too_long = (
                f"The name of this folder has {len(folder.name)} characters; at most "
                f"{MAX_NAME_LENGTH} can be stored with a result: rename it."
            )
            spec = replace(spec, problem=too_long)
        if spec:
            specs[spec.name] = spec
    return specs


def _with_labels(spec: ModelSpec) -> ModelSpec:
    """A catalogued model with the class names that are in one of its files, if it has them."""
    if spec.labels or not spec.is_installed:
        return spec
    try:
        return replace(spec, labels=read_class_names(spec.paths[1]))
    # A damaged file must not affect other models.
    except (ModelFileError, OSError) as exc:
        return replace(spec, problem=str(exc))


@lru_cache(maxsize=512)
def _user_model(folder: Path, versions: frozenset[tuple[object, ...]]) -> ModelSpec | None:
    """The model in ``folder``, read again when its files have other ``versions``."""
    return (
        _described(folder)
        or read_user_detector(folder)
        or _user_classifier(folder)
        or undescribed_model(folder)
    )


def _versions(folder: Path) -> frozenset[tuple[object, ...]]:
    """Name, modification time and size of all files in ``folder``."""
    versions = set()
    with scandir(folder) as entries:
        for entry in entries:
            # A file may be replaced meanwhile.
            with suppress(FileNotFoundError):
                status = entry.stat()
                versions.add((entry.name, status.st_mtime_ns, status.st_size))
    return frozenset(versions)


@cache
def _shipped_classifier() -> ModelSpec:
    shipped = _classifier(CIFAR10_WEIGHTS.parent.name, CIFAR10_WEIGHTS)
    return replace(shipped, licence="part of this project")


def default_model(specs: dict[str, ModelSpec], task: Task, preferred: str) -> ModelSpec:
    """The task's model named ``preferred``, or the best installed one if no name is given.

    Raises ``ModelNotInstalled`` if there is none.
    """
    of_task = {name: spec for name, spec in specs.items() if spec.task == task}
    if preferred in of_task:
        return of_task[preferred]
    if preferred:
        raise ModelNotInstalled(
            f"The settings name {preferred!r} for {task}; there is no such model."
        )
    for spec in sorted(of_task.values(), key=lambda spec: spec.is_trial):
        if spec.is_usable:
            return spec
    raise ModelNotInstalled(
        f"No {task} model is installed on this server.", command=CATALOG[0].install_command
    )


def find_model(specs: dict[str, ModelSpec], task: Task, name: str) -> ModelSpec:
    """The task's model of that name. Raises ``UnknownModel``, which lists those to use."""
    if name in specs and specs[name].task == task:
        return specs[name]
    usable = [spec.name for spec in specs.values() if spec.task == task and spec.is_usable]
    message = gettext_noop("There is no detection model {name}. Models of this site: {models}.")
    if task == "classification":
        message = gettext_noop(
            "There is no classification model {name}. Models of this site: {models}."
        )
    raise UnknownModel(message, name=repr(name), models=", ".join(usable) or "-")


def _described(folder: Path) -> ModelSpec | None:
    """The model that ``model.toml`` in ``folder`` describes, or None without that file."""
    if not folder.joinpath(MODEL_TOML).is_file():
        return None
    try:
        return read_model_toml(folder)
    # A broken folder must not affect other models, whatever is wrong with it.
    except Exception as exc:
        return ModelSpec(
            name=folder.name,
            task="detection",
            family="unknown",
            directory=folder,
            format="onnx",
            files=(ModelFile(MODEL_TOML),),
            input_wh=(0, 0),
            resizing="stretch",
            licence="your own",
            problem=_problem(exc),
        )


def _user_classifier(folder: Path) -> ModelSpec | None:
    """The classifier in ``folder``, or None if there is none."""
    weights = sorted(folder.glob(f"*{WEIGHTS_SUFFIX}"))
    return _classifier(folder.name, weights[0]) if weights else None


def _classifier(name: str, weights_path: Path) -> ModelSpec:
    spec = ModelSpec(
        name=name,
        task="classification",
        family="ResNet v2",
        directory=weights_path.parent,
        format="resnet v2",
        files=(ModelFile(description_path(weights_path).name), ModelFile(weights_path.name)),
        input_wh=(32, 32),
        resizing="shrink",
        labels=(),
        licence="your own",
    )
    try:
        description = read_description(weights_path)
    # A broken folder must not affect other models, whatever is wrong with it.
    except Exception as exc:
        return replace(spec, problem=_problem(exc))
    accuracy_percent = round(description.test_accuracy * 100, 1)
    return replace(spec, labels=description.labels, accuracy_percent=accuracy_percent)


def read_user_detector(folder: Path) -> ModelSpec | None:
    """The detector in ``folder``, or None if there is none; ``problem`` is set if it is invalid."""
    configs, weights, names = (
        sorted(folder.glob(pattern)) for pattern in ("*.cfg", "*.weights", "*.names")
    )
    if not configs or not weights:
        return None
    spec = ModelSpec(
        name=folder.name,
        task="detection",
        family="Darknet",
        directory=folder,
        format="darknet",
        files=(ModelFile(configs[0].name), ModelFile(weights[0].name)),
        input_wh=(0, 0),
        resizing="stretch",
        licence="your own",
    )
    try:
        if len(configs) > 1 or len(weights) > 1 or len(names) > 1:
            raise DarknetError("expected one .cfg, one .weights and at most one .names file.")
        for path in (configs[0], *names):
            if path.stat().st_size > MAX_BYTES:
                raise DarknetError(f"{path.name} is larger than {MAX_BYTES:,} bytes.")
        config = read_config(configs[0])
        if not all(1 <= side <= MAX_SIDE for side in config.input_wh):
            width, height = config.input_wh
            raise DarknetError(
                f"the input has {width} x {height} pixels; expected sides of 1 to {MAX_SIDE}."
            )
        num_classes = config.yolo_layers[0].num_classes
        if any(layer.num_classes != num_classes for layer in config.yolo_layers):
            raise DarknetError("all [yolo] sections must have the same number of classes.")
        labels = tuple(f"class {number}" for number in range(num_classes))
        if names:
            labels = read_names(names[0].read_text(encoding="utf-8-sig", errors="replace"))
        elif num_classes == len(COCO_LABELS):
            labels = COCO_LABELS
        if len(labels) != num_classes:
            raise DarknetError(
                f"{names[0].name} holds {len(labels)} names, the network has {num_classes} classes."
            )
    # As for classifiers.
    except Exception as exc:
        return replace(spec, problem=_problem(exc))
    resizing: Resizing = "letterbox" if config.letter_box else "stretch"
    return replace(spec, input_wh=config.input_wh, resizing=resizing, labels=labels)


def _problem(exc: Exception) -> str:
    # Some exceptions, such as MemoryError, have no text.
    return str(exc) or repr(exc)
