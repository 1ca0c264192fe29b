"""Which models the site uses: those of the settings, those the staff chose, or the best ones."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from django.conf import settings

from ml_core.catalog import installed
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.catalog.weights import verify
from ml_core.choices import choices
from ml_core.errors import ModelNotInstalled, ModelUnusable, VisionError, gettext_noop

TASKS: tuple[Task, ...] = ("classification", "detection")

# Called with the enabled models at each reading; a serving process closes those that are gone.
on_reading: Callable[[Mapping[str, ModelSpec]], object] | None = None


def models() -> dict[str, ModelSpec]:
    """All known models by name; read on each call, so that newly installed ones are included."""
    return installed.read_catalog(settings.MODEL_DIR)


def usable_models(task: Task) -> list[ModelSpec]:
    """The installed and enabled models of a task, for a choice of models."""
    return [spec for spec in _enabled_models().values() if spec.task == task and spec.is_usable]


def default_model(task: Task) -> ModelSpec:
    """The model for requests that name none. Raises ``ModelNotInstalled``.

    That is the one named in the settings, else the staff's choice, else the best installed one.
    """
    specs = _enabled_models()
    preferred = operators_default(task) or next(
        (
            name
            for name, choice in choices().items()
            if choice.is_default and name in specs and specs[name].task == task
            if specs[name].is_usable
        ),
        "",
    )
    return installed.default_model(specs, task, preferred)


def default_models() -> list[ModelSpec]:
    """The default model of each task that has one."""
    defaults = []
    for task in TASKS:
        with suppress(VisionError):
            defaults.append(default_model(task))
    return defaults


def preloaded_models() -> list[ModelSpec]:
    """The usable models that the staff chose to be loaded at start-up."""
    preloaded = {name for name, choice in choices().items() if choice.is_preloaded}
    specs = _enabled_models()
    return [spec for name, spec in specs.items() if name in preloaded and spec.is_usable]


def operators_default(task: Task) -> str:
    """The name of the default model in the settings, which goes before any choice; or empty."""
    return {"detection": settings.DETECTOR, "classification": settings.CLASSIFIER}[task]


def find(task: Task, model: str) -> ModelSpec:
    """The named model, or the default one if ``model`` is empty.

    Raises ``UnknownModel`` or ``ModelNotInstalled``.
    """
    if not model:
        return default_model(task)
    return installed.find_model(_enabled_models(), task, model)


def check_usable(spec: ModelSpec) -> None:
    """Raise ``ModelUnusable`` or ``ModelNotInstalled`` unless the model's files are valid."""
    check_installed(spec)
    verify(spec)


def check_installed(spec: ModelSpec) -> None:
    """``check_usable`` without reading the files, which takes seconds for large ones."""
    if spec.problem:
        raise ModelUnusable(
            gettext_noop("{name} cannot be used: {reason}"), name=spec.name, reason=spec.problem
        )
    if not spec.is_installed:
        raise ModelNotInstalled(
            gettext_noop("{name} is not installed on this server."),
            command=spec.install_command,
            name=spec.name,
        )


def _enabled_models() -> dict[str, ModelSpec]:
    """All models except those that the staff disabled; one named in the settings is enabled."""
    named = {operators_default(task) for task in TASKS}
    disabled = {name for name, choice in choices().items() if not choice.is_enabled} - named
    enabled = {name: spec for name, spec in models().items() if name not in disabled}
    if on_reading:
        on_reading(enabled)
    return enabled
