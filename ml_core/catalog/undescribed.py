"""Folders with a model file of which nothing says what it is."""

from pathlib import Path

from ml_core.catalog.formats import MAIN_SUFFIXES, SAVED_MODEL
from ml_core.catalog.model_toml import FILE_NAME
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.errors import manage_command


def undescribed_model(folder: Path) -> ModelSpec | None:
    """A model file whose folder does not say what it is, or None if there is not just one."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    saved = [path for path in files if path.name == SAVED_MODEL]
    mains = saved or [
        path for path in files if MAIN_SUFFIXES.get(path.suffix, "darknet") != "darknet"
    ]
    if len(mains) != 1:
        return None
    (main,) = mains
    others = folder.glob("variables/*") if saved else folder.glob("*.bin")
    names = [path.relative_to(folder).as_posix() for path in (main, *sorted(others))]
    return ModelSpec(
        name=folder.name,
        task="detection",
        family="unknown",
        directory=folder,
        format="savedmodel" if saved else MAIN_SUFFIXES[main.suffix],
        files=tuple(map(ModelFile, names)),
        input_wh=(0, 0),
        resizing="stretch",
        labels=(),
        licence="your own",
        problem=(
            f"The folder has no {FILE_NAME}. Describe the model on the models page, or look into "
            f"it: {manage_command(f'add_model {main} --dry-run')}"
        ),
    )
