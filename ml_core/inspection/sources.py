"""Collect the files of a model that a user gave: loose files, a zip archive, or a folder.

Names in archives never become paths outside the folder, and sizes are checked before unpacking.
"""

import errno
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ml_core.catalog.formats import MAIN_SUFFIXES, SAVED_MODEL, Format, ModelFileError
from ml_core.errors import DAMAGED_ZIP

MAX_FILES = 1000
# What else belongs to it: the first one is needed.
PARTNERS = {"openvino": (".bin",), "darknet": (".weights",)}
PARTNER_SUFFIXES = {".cfg": ".weights", ".weights": ".cfg", ".xml": ".bin", ".bin": ".xml"}
LABEL_SUFFIXES = (".names", ".txt")
PICKLED = (".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth", ".torchscript")
KNOWN = ".keras, .h5, .onnx, .xml with .bin, .tflite, .cfg with .weights, or a SavedModel folder"


@dataclass(frozen=True)
class Source:
    """The files of one model below ``folder``, the main one first; ``labels`` may be among them."""

    folder: Path
    format: Format
    names: tuple[str, ...]
    labels: Path | None

    @property
    def title(self) -> str:
        """The name that the files suggest."""
        path = self.folder / self.names[0]
        return path.stem if self.format != "savedmodel" else ""


def collect(paths: Sequence[Path], folder: Path, *, max_bytes: int) -> Source:
    """Copy or unpack ``paths`` into the empty ``folder``, and find the model among them.

    Of two files that belong together, one may be named: the other one is taken from beside it.
    Raises ``ModelFileError`` if there is not exactly one, or more than ``max_bytes``.
    """
    for path in (*paths, *_partners(paths)):
        if path.is_dir():
            _copy_folder(path, folder, max_bytes)
        elif not path.is_file():
            raise ModelFileError(f"{path} does not exist.")
        elif path.suffix.lower() == ".zip":
            unpack(path, folder, max_bytes=max_bytes)
        elif path.stat().st_size > max_bytes:
            raise _too_large(path.name, max_bytes)
        else:
            shutil.copyfile(path, folder / path.name)
    return _find(folder)


def _partners(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that belong to a single one, by their suffix: of the same name, or the only one."""
    given = {path.suffix.lower() for path in paths}
    for path in paths:
        suffix = PARTNER_SUFFIXES.get(path.suffix.lower(), "")
        if not suffix or suffix in given or not path.is_file():
            continue
        beside = [file for file in path.parent.iterdir() if file.suffix.lower() == suffix]
        namesakes = [file for file in beside if file.stem == path.stem]
        if len(namesakes or beside) == 1:
            yield from namesakes or beside


def unpack(
    path: Path,
    folder: Path,
    *,
    max_bytes: int,
    max_files: int = MAX_FILES,
    is_wanted: Callable[[str], bool] = lambda name: True,
) -> None:
    """Unpack a zip archive into ``folder``. Raises ``ModelFileError``.

    Only the members ``is_wanted``; hidden ones never.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and is_wanted(m.filename)]
            members = [m for m in members if not _is_hidden(m.filename)]
            if len(members) > max_files:
                raise ModelFileError(f"{path.name} holds more than {max_files:,} files.")
            if sum(member.file_size for member in members) > max_bytes:
                raise _too_large(path.name, max_bytes)
            for member in members:
                target = folder / _safe_name(member, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                # Never more than the member's size in the index is read.
                with archive.open(member) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file)
    except (*DAMAGED_ZIP, OSError, ValueError) as exc:
        # A full disk is no fault of the archive.
        if isinstance(exc, ModelFileError) or getattr(exc, "errno", None) == errno.ENOSPC:
            raise
        raise ModelFileError(f"{path.name} is no complete zip archive: {exc}") from exc


def _safe_name(member: zipfile.ZipInfo, archive: Path) -> str:
    """The member's path below the folder. Raises ``ModelFileError`` for any other."""
    name = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or set(member.filename) & set('\\:*?"<>|\0'):
        raise ModelFileError(f"{archive.name} holds {member.filename!r}, which is no safe name.")
    if is_link:
        raise ModelFileError(f"{archive.name} holds a link, {member.filename!r}.")
    return str(name)


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts)


def _copy_folder(source: Path, folder: Path, max_bytes: int) -> None:
    total = 0
    for number, path in enumerate(_regular_files(source)):
        total += path.stat().st_size
        if total > max_bytes or number > MAX_FILES:
            raise _too_large(source.name, max_bytes)
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _regular_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = _is_hidden(path.relative_to(folder).as_posix())
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path


def _find(folder: Path) -> Source:
    files = list(_regular_files(folder))
    saved = [path for path in files if path.name == SAVED_MODEL]
    mains = saved or [path for path in files if path.suffix.lower() in MAIN_SUFFIXES]
    if len(mains) != 1:
        raise _not_one_model(files, mains)
    (main,) = mains
    root = main.parent
    format: Format = "savedmodel" if saved else MAIN_SUFFIXES[main.suffix.lower()]
    belonging = [path for path in files if path != main and _belongs(path, main, format)]
    for needed in PARTNERS.get(format, ()):
        if [path.suffix.lower() for path in belonging].count(needed) != 1:
            raise ModelFileError(f"{main.name} needs one {needed} file beside it.")
    texts = [path for path in files if path.suffix.lower() in LABEL_SUFFIXES]
    return Source(
        folder=root,
        format=format,
        names=tuple(path.relative_to(root).as_posix() for path in (main, *belonging)),
        labels=texts[0] if len(texts) == 1 else None,
    )


def _belongs(path: Path, main: Path, format: Format) -> bool:
    if format == "savedmodel":
        place = path.relative_to(main.parent).parts if path.is_relative_to(main.parent) else ()
        return place[:1] == ("variables",)
    if path.parent != main.parent:
        return False
    # Weights of a large ONNX file lie beside it.
    is_external = format == "onnx" and re.search(r"\.data$|_data$", path.name)
    return bool(is_external) or path.suffix.lower() in PARTNERS.get(format, ())


def _not_one_model(files: list[Path], mains: list[Path]) -> ModelFileError:
    if len(mains) > 1:
        names = ", ".join(path.name for path in mains[:5])
        return ModelFileError(f"Expected the files of one model, received several: {names}.")
    pickled = [path.name for path in files if path.suffix.lower() in PICKLED]
    if pickled:
        return ModelFileError(
            f"{pickled[0]} may hold pickled code, which is never opened. Export the model to ONNX."
        )
    names = ", ".join(path.name for path in files[:5]) or "nothing"
    return ModelFileError(f"Expected a model ({KNOWN}), received {names}.")


def _too_large(name: str, max_bytes: int) -> ModelFileError:
    return ModelFileError(
        f"{name} is larger than the {max_bytes / 1e9:.1f} GB accepted (LIMIT_MODEL_BYTES)."
    )
