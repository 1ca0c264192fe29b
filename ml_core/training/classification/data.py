"""Read labelled pictures from a folder, a zip file or an npz file, at the network's resolution.

A folder, or a zip file of one, holds ``train/CLASS/PICTURE`` and ``test/CLASS/PICTURE``, or only
``CLASS/PICTURE``; an npz file holds ``x_train``, ``y_train`` and optionally ``x_test``, ``y_test``
and ``labels``. Without a test split, every tenth picture of a class is held out. The choice is
deterministic, so that a later evaluation never uses a picture from training.
"""

import math
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml_core.errors import DAMAGED_ZIP, VisionError
from ml_core.pictures.images import PICTURE_SUFFIXES, ImageLimits, check_size, decode_image
from ml_core.pictures.resizing import shrink

HOLD_OUT_EVERY = 10
MAX_NAMED = 10

# A ``zipfile.Path`` has the methods of a ``Path`` that are used here.
PicturePath = Path | zipfile.Path
PathsByClass = dict[str, list[PicturePath]]


class DatasetError(ValueError):
    """The data is invalid; the text names the file and what was expected."""


@dataclass(frozen=True)
class Split:
    """``images`` (N, height, width, 3) uint8 RGB and ``class_ids`` (N,) int64."""

    images: np.ndarray
    class_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Dataset:
    """The training and test splits; ``labels`` are the class names by class id."""

    name: str
    labels: tuple[str, ...]
    train: Split
    test: Split


def read_dataset(
    path: Path, *, resolution_wh: tuple[int, int], limits: ImageLimits, npz_bytes: int
) -> Dataset:
    """Read both splits; ``limits`` apply to each picture, ``npz_bytes`` to an unpacked npz file.

    Raises ``DatasetError``; for an archive above the limits, before unpacking it.
    """
    if path.suffix == ".npz":
        return _read_npz(path, resolution_wh, npz_bytes)
    train, test = _find_pictures(path)
    if not train:
        raise DatasetError(f"{path} holds no pictures to train on, only a test split.")
    labels = tuple(sorted(train))
    if len(labels) < 2:
        raise DatasetError(f"Expected at least two classes in {path}, found {labels[0]!r} only.")
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise DatasetError(f"The test split of {path} has classes train lacks: {unknown}.")
    return Dataset(
        path.name,
        labels,
        _read_pictures(train, labels, resolution_wh, limits, "train"),
        _read_pictures(test, labels, resolution_wh, limits, "test"),
    )


def read_test_split(
    path: Path,
    *,
    labels: tuple[str, ...],
    resolution_wh: tuple[int, int],
    limits: ImageLimits,
    npz_bytes: int,
) -> Split:
    """Read only the test split, with class ids in the order of a model's ``labels``.

    For the limits see ``read_dataset``.
    """
    if path.suffix == ".npz":
        dataset = _read_npz(path, resolution_wh, npz_bytes)
        numbered = tuple(map(str, range(len(dataset.labels))))
        if len(dataset.labels) > len(labels) or dataset.labels not in (labels, numbered):
            raise DatasetError(
                f"{path}: expected the model's classes in its order ({', '.join(labels)}), "
                f"received {', '.join(dataset.labels)}."
            )
        return dataset.test
    _, test = _find_pictures(path)
    unknown = sorted(set(test) - set(labels))
    if unknown:
        raise DatasetError(f"{path} has classes the model does not know: {', '.join(unknown)}.")
    return _read_pictures(test, labels, resolution_wh, limits, "test")


def find_test_pictures(path: Path, max_files: int) -> PathsByClass:
    """The pictures of the test split by class, or all if there is none.

    Raises ``DatasetError``, also for an archive of more than ``max_files``.
    """
    folders = _top_folders(path, max_files)
    split = folders.get("test") or folders.get("train")
    by_class = _paths_by_class(split) if split else _by_class(folders)
    if not by_class:
        raise _no_pictures(path)
    return by_class


def read_picture(path: PicturePath, limits: ImageLimits) -> np.ndarray:
    """The (H, W, 3) uint8 RGB picture in a folder or an archive, decoded as uploads are.

    Raises ``DatasetError``.
    """
    try:
        check_size(_file_bytes(path), limits)
        return decode_image(path.read_bytes(), limits)
    except (VisionError, OSError, *DAMAGED_ZIP) as exc:
        raise DatasetError(f"{path}: {exc}") from exc


def _top_folders(path: Path, max_files: float = math.inf) -> dict[str, PicturePath]:
    """The folders of splits, or of classes."""
    if not path.exists():
        raise DatasetError(f"{path} does not exist.")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise DatasetError(f"Expected a folder, a .zip or an .npz file, received {path}.")
    try:
        root: PicturePath = path if path.is_dir() else zipfile.Path(path)
    except zipfile.BadZipFile as exc:
        raise DatasetError(f"{path} is no complete zip archive: {exc}.") from exc
    if isinstance(root, zipfile.Path) and len(root.root.infolist()) > max_files:
        raise DatasetError(f"{path.name} holds more than {max_files:,} files.")
    folders = _folders(root)
    # A zip file often contains the folder itself instead of its content.
    while len(folders) == 1 and not {"train", "test"} & set(folders):
        root = next(iter(folders.values()))
        folders = _folders(root)
    return folders


def _find_pictures(path: Path) -> tuple[PathsByClass, PathsByClass]:
    """The pictures of both splits; a test split is held out if there is none."""
    folders = _top_folders(path)
    if {"train", "test"} & set(folders):
        train = _paths_by_class(folders["train"]) if "train" in folders else {}
        if "test" in folders:
            return train, _paths_by_class(folders["test"])
    else:
        train = _by_class(folders)
    if not train:
        raise _no_pictures(path)
    return _hold_out(train)


def _no_pictures(path: Path) -> DatasetError:
    return DatasetError(
        f"Expected folders of pictures in {path}, one per class, found none. Picture files "
        f"end in {', '.join(PICTURE_SUFFIXES)}."
    )


def _hold_out(by_class: PathsByClass) -> tuple[PathsByClass, PathsByClass]:
    for label, paths in by_class.items():
        if len(paths) < 2:
            raise DatasetError(
                f"Class {label!r} has {len(paths)} picture; at least 2 are needed, because one "
                "of ten is held out for testing."
            )
    train = {
        label: [path for index, path in enumerate(paths) if index % HOLD_OUT_EVERY]
        for label, paths in by_class.items()
    }
    return train, {label: paths[::HOLD_OUT_EVERY] for label, paths in by_class.items()}


def _folders(parent: PicturePath) -> dict[str, PicturePath]:
    return {
        entry.name: entry
        for entry in parent.iterdir()
        # Neither hidden folders nor those that macOS adds to zip files.
        if entry.is_dir() and not entry.name.startswith((".", "__"))
    }


def _paths_by_class(parent: PicturePath) -> PathsByClass:
    """The pictures in each folder of ``parent``; see ``_by_class``."""
    return _by_class(_folders(parent))


def _by_class(folders: dict[str, PicturePath]) -> PathsByClass:
    """The pictures in each folder, sorted by name, without empty folders."""
    by_class = {label: list(_pictures(folder)) for label, folder in sorted(folders.items())}
    return {label: sorted(paths, key=str) for label, paths in by_class.items() if paths}


def _pictures(folder: PicturePath) -> Iterator[PicturePath]:
    for entry in folder.iterdir():
        if not entry.name.startswith(".") and entry.name.lower().endswith(PICTURE_SUFFIXES):
            yield entry


def _read_pictures(
    by_class: PathsByClass,
    labels: tuple[str, ...],
    resolution_wh: tuple[int, int],
    limits: ImageLimits,
    split: str,
) -> Split:
    """Decode all pictures, in the same way as uploads, and resize them."""
    paths = [path for label in labels for path in by_class.get(label, [])]
    class_ids = [class_id for class_id, label in enumerate(labels) for _ in by_class.get(label, [])]
    width, height = resolution_wh
    images = np.empty((len(paths), height, width, 3), np.uint8)
    broken = []

    def read(index: int) -> None:
        try:
            image = read_picture(paths[index], limits)
        except DatasetError as exc:
            broken.append(str(exc))
        else:
            images[index], _ = shrink(image, resolution_wh)

    with ThreadPoolExecutor(4) as threads:
        jobs = threads.map(read, range(len(paths)))
        for _ in tqdm(jobs, f"reading {split}", len(paths), disable=None, unit="picture"):
            pass
    if broken:
        more = f"\n... and {len(broken) - MAX_NAMED} more" if len(broken) > MAX_NAMED else ""
        raise DatasetError(
            f"{len(broken)} of {len(paths)} pictures cannot be used; repair or remove them:\n"
            + "\n".join(sorted(broken)[:MAX_NAMED])
            + more
        )
    return Split(images, np.array(class_ids, np.int64))


def _file_bytes(path: PicturePath) -> int:
    """The unpacked size of a file; zipfile never extracts more than the size in its index."""
    if isinstance(path, zipfile.Path):
        return path.root.getinfo(path.at).file_size
    return path.stat().st_size


def _check_npz(path: Path, max_bytes: int) -> None:
    """Raise ``DatasetError`` if the arrays would take more memory than ``max_bytes``."""
    needed_bytes = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                if np.lib.format.read_magic(file) == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            # NumPy allocates the size given in the header before it reads any data.
            needed_bytes += max(member.file_size, math.prod(shape) * dtype.itemsize)
    _check_memory(path, needed_bytes, max_bytes)


def _check_memory(path: Path, needed_bytes: int, max_bytes: int) -> None:
    if needed_bytes > max_bytes:
        raise DatasetError(
            f"{path} would take {needed_bytes:,} bytes of memory; at most {max_bytes:,} are "
            "accepted (LIMIT_NPZ_BYTES). Pictures in a folder or a zip file have no such limit."
        )


def _read_npz(path: Path, resolution_wh: tuple[int, int], max_bytes: int) -> Dataset:
    try:
        _check_npz(path, max_bytes)
        # Unpickling an array of Python objects could run arbitrary code.
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise DatasetError(f"{path} cannot be read as an npz file: {exc}") from exc
    train = _npz_split(arrays, "train", path, resolution_wh, max_bytes)
    if "x_test" in arrays:
        test = _npz_split(arrays, "test", path, resolution_wh, max_bytes)
    else:
        held_out = np.zeros(len(train), bool)
        for class_id in np.unique(train.class_ids):
            held_out[np.flatnonzero(train.class_ids == class_id)[::HOLD_OUT_EVERY]] = True
        test = Split(train.images[held_out], train.class_ids[held_out])
        train = Split(train.images[~held_out], train.class_ids[~held_out])
    num_classes = int(max(train.class_ids.max(), test.class_ids.max())) + 1
    labels = tuple(str(label) for label in arrays.get("labels", range(num_classes)))
    if not 2 <= num_classes <= len(labels):
        raise DatasetError(
            f"{path}: expected class ids from 0 to {len(labels) - 1} and at least two classes, "
            f"found {num_classes} classes."
        )
    return Dataset(path.name, labels, train, test)


def _npz_split(
    arrays: dict[str, np.ndarray],
    split: str,
    path: Path,
    resolution_wh: tuple[int, int],
    max_bytes: int,
) -> Split:
    for key in (f"x_{split}", f"y_{split}"):
        if key not in arrays:
            raise DatasetError(f"Expected {key} in {path}, found {', '.join(arrays) or 'nothing'}.")
    images, class_ids = arrays[f"x_{split}"], arrays[f"y_{split}"].reshape(-1)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise DatasetError(
            f"{path}: expected x_{split} as (N, H, W, 3) uint8 RGB, received {images.shape} "
            f"{images.dtype}."
        )
    if len(class_ids) != len(images) or not np.issubdtype(class_ids.dtype, np.integer):
        raise DatasetError(
            f"{path}: expected y_{split} as {len(images)} whole numbers, received "
            f"{class_ids.shape} {class_ids.dtype}."
        )
    if not len(images) or class_ids.min() < 0:
        raise DatasetError(f"{path}: the {split} split is empty or has a negative class id.")
    # Resizing enlarges small pictures.
    _check_memory(path, len(images) * math.prod(resolution_wh) * 3, max_bytes)
    resized = np.stack([shrink(image, resolution_wh)[0] for image in images])
    return Split(resized, class_ids.astype(np.int64))
