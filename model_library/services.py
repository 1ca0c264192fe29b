"""What the staff does with the models: defaults, enabling, preloading, deletion, description."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ml_core import choices, engine, model_pool
from ml_core.catalog import selection
from ml_core.catalog.catalogue import CATALOG
from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.model_toml import (
    FILE_NAME,
    FORMATS,
    LABELS_FILE,
    description_of,
    read_description,
    read_labels,
    replace_description,
)
from ml_core.catalog.specs import ModelSpec
from ml_core.errors import VisionError
from ml_core.models import ModelChoice
from ml_core.pictures.samples import read_samples
from model_library.errors import ModelRefused, NotChangeable
from model_library.models import ModelJob

RUNS = 10
# The values of a ``ModelChoice`` of which nothing was measured.
UNMEASURED: dict[str, object] = {
    "inference_ms": None,
    "measured_at": None,
    "accuracy_percent": None,
    "accuracy_pictures": 0,
    "accuracy_set": "",
}


def set_default(spec: ModelSpec) -> None:
    """Make ``spec`` the default of its task. Raises a ``VisionError`` if it cannot be."""
    if selection.operators_default(spec.task):
        raise NotChangeable(
            "The default model is set in the site's settings (DETECTOR or CLASSIFIER).",
            code="model_set_by_operator",
        )
    selection.check_usable(spec)
    others = [other.name for other in selection.models().values() if other.task == spec.task]
    with transaction.atomic():
        ModelChoice.objects.filter(name__in=others, is_default=True).update(is_default=False)
        _choose(spec, is_default=True, is_enabled=True)
    choices.forget()
    model_pool.start_loading()


def set_enabled(spec: ModelSpec, is_enabled: bool) -> None:
    """Enable or disable ``spec``. Raises ``NotChangeable`` for a default model."""
    if not is_enabled:
        _check_not_default(spec)
    _choose(spec, is_enabled=is_enabled)
    choices.forget()
    if not is_enabled:
        model_pool.close(spec.name)


def set_preloaded(spec: ModelSpec, is_preloaded: bool) -> None:
    """Load ``spec`` when the server starts, and now, or at its first request only."""
    _choose(spec, is_preloaded=is_preloaded)
    choices.forget()
    model_pool.start_loading()


def delete(spec: ModelSpec) -> None:
    """Delete the files of ``spec``, and of the models of the catalogue that share them.

    Raises ``NotChangeable`` for a default or shipped model, or if a file cannot be deleted.
    """
    if not is_deletable(spec):
        raise NotChangeable(
            f"{spec.name} is part of the site and cannot be deleted.", code="model_is_shipped"
        )
    names = [spec.name, *sharing_models(spec, selection.models())]
    for name in names:
        _check_not_default(selection.models()[name])
    for name in names:
        model_pool.close(name)
    try:
        if spec.directory == settings.MODEL_DIR:
            for path in spec.paths:
                path.unlink(missing_ok=True)
        else:
            _delete_folder(spec.directory)
    except OSError as exc:
        raise NotChangeable(
            "Some of the model's files could not be deleted. Try again in a moment.",
            code="model_files_in_use",
        ) from exc
    ModelChoice.objects.filter(name__in=names).delete()
    ModelJob.objects.filter(model__in=names).delete()
    choices.forget()


def is_deletable(spec: ModelSpec) -> bool:
    """Whether the files of ``spec`` are in ``MODEL_DIR``, unlike those of shipped models."""
    in_model_dir = settings.MODEL_DIR in (spec.directory, spec.directory.parent)
    return in_model_dir and any(path.exists() for path in spec.paths)


def sharing_models(spec: ModelSpec, known: Mapping[str, ModelSpec]) -> list[str]:
    """Other installed models of the catalogue that use a file of ``spec``."""
    if spec.directory != settings.MODEL_DIR:
        return []
    files = {file.name for file in spec.files}
    return [
        other.name
        for other in CATALOG
        if other.name != spec.name and files & {file.name for file in other.files}
        if known[other.name].is_installed
    ]


def measure_speed(spec: ModelSpec) -> float:
    """Measure and store the median time of inference in ms.

    Raises a ``VisionError``, such as ``ModelLoading`` while the model is loaded.
    """
    model_pool.wait_until_loaded(spec.task, spec.name)
    image = read_samples()[spec.task]
    run = engine.detect if spec.task == "detection" else engine.classify
    times_ms = [run(image, model=spec.name).timing_ms["inference"] for _ in range(RUNS)]
    inference_ms = round(median(times_ms), 1)
    _choose(spec, inference_ms=inference_ms, measured_at=timezone.now())
    choices.forget()
    return inference_ms


def is_describable(spec: ModelSpec) -> bool:
    """Whether ``spec`` has a folder in ``MODEL_DIR`` whose ``model.toml`` the staff may write."""
    return spec.directory.parent == settings.MODEL_DIR and spec.format in FORMATS


def description(spec: ModelSpec) -> dict[str, Any]:
    """The values of the model's ``model.toml``, with a list of class names.

    Without that file they are what is known of the model. Those that cannot be read are left out.
    Raises ``NotChangeable`` for a model that needs no description.
    """
    _check_describable(spec)
    if not (spec.directory / FILE_NAME).is_file():
        values = description_of(spec)
        if spec.format != "darknet":
            # All that is known are the files.
            values |= {"input": {}, "output": {}}
        return values
    try:
        values = read_description(spec.directory)
        if values.get("labels", LABELS_FILE) == LABELS_FILE:
            values["labels"] = list(read_labels(spec.directory / LABELS_FILE))
    except (ModelFileError, OSError):
        return {}
    return values


def correct_description(spec: ModelSpec, values: Mapping[str, Any]) -> None:
    """Write the model's ``model.toml``; every process then loads the model again.

    What was measured of it is forgotten. Raises ``ModelRefused`` for the first wrong value; then
    the former file stays. Raises ``NotChangeable`` for a model that needs no description.
    """
    _check_describable(spec)
    try:
        replace_description(values, spec.directory)
    except ModelFileError as exc:
        raise ModelRefused(str(exc)) from exc
    if ModelChoice.objects.filter(name=spec.name).exists():
        _choose(spec, **UNMEASURED)
    choices.forget()


def _check_describable(spec: ModelSpec) -> None:
    if not is_describable(spec):
        raise NotChangeable(
            f"{spec.name} has no {FILE_NAME} that could be corrected.", code="model_not_described"
        )


def _choose(spec: ModelSpec, **values: object) -> None:
    ModelChoice.objects.update_or_create(name=spec.name, defaults=values)


def _check_not_default(spec: ModelSpec) -> None:
    try:
        is_default = selection.default_model(spec.task).name == spec.name
    except VisionError:
        return
    chosen = choices.choices().get(spec.name)
    if is_default and (selection.operators_default(spec.task) or (chosen and chosen.is_default)):
        raise NotChangeable("This model is the default. Choose another default model first.")


def _delete_folder(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
        return
    # Hidden first, in one step: a model is there as a whole or not at all.
    hidden = folder.with_name(f".deleted-{uuid4().hex}")
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)
