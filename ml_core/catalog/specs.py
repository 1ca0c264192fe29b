"""Model descriptions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_core.catalog.formats import Format, InputFormat, OutputFormat
from ml_core.errors import manage_command
from ml_core.labels import COCO_LABELS

Task = Literal["detection", "classification"]
Resizing = Literal["letterbox", "stretch", "shrink"]


@dataclass(frozen=True)
class PackagedFile:
    """Where a model file lies in a wheel of the Python package index.

    ``wheel`` names a file of ``project``; ``member`` is the path in it, and ``missing_end`` what
    the model file has after the member's last byte.
    """

    project: str
    wheel: "ModelFile"
    member: str
    missing_end: bytes = b""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model; ``sha256`` and ``size_bytes`` are None for files of the user.

    ``sha256`` is also None if nobody published it: then ``published_hash`` is checked, such as
    "md5:0123...", or only the size if that is None as well.

    ``packaged`` is one more mirror, for machines that reach only package registries.
    """

    name: str
    size_bytes: int | None = None
    sha256: str | None = None
    urls: tuple[str, ...] = ()
    packaged: PackagedFile | None = None
    published_hash: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """Everything known about a model before it is loaded.

    ``files`` are in the order of their format: ``.cfg`` and ``.weights`` of a Darknet network,
    ``.json`` and ``.weights.h5`` of a classifier of ``train_classifier``, weights and class index
    of keras.applications, the model file and those that belong to it otherwise. ``input_wh`` is the
    network's input size in pixels, ``resizing`` the way pictures are resized to it. ``output`` is
    None where the format defines the outputs. ``trained_masks`` are the anchor masks of a Darknet
    network's ``[yolo]`` sections, in their order, if it was trained with others than those in its
    ``.cfg`` file. ``labels`` are empty while they are in a file that is not installed.
    ``accuracy_percent`` is the published value of ``metric``, or None. ``training`` describes the
    training and test data of a shipped model. ``is_trial`` marks the detector that is the default
    only if no other is installed. ``problem`` says why a model of the user cannot be used.
    ``converted`` names the network among the files of a published model, which needs no conversion.
    """

    name: str
    task: Task
    family: str
    directory: Path
    format: Format
    files: tuple[ModelFile, ...]
    input_wh: tuple[int, int]
    resizing: Resizing
    input: InputFormat = InputFormat()
    output: OutputFormat | None = None
    trained_masks: tuple[tuple[int, ...], ...] = ()
    labels: tuple[str, ...] = COCO_LABELS
    accuracy_percent: float | None = None
    licence: str = "unknown"
    origin: str = ""
    fetched_by_default: bool = False
    training: str = ""
    is_trial: bool = False
    problem: str = ""
    converted: str = ""

    @property
    def metric(self) -> str:
        return {"detection": "mAP@0.5", "classification": "top-1"}[self.task]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.directory / file.name for file in self.files)

    @property
    def source_path(self) -> Path:
        """What libraries open: the first file, or the folder of a SavedModel."""
        return self.paths[0].parent if self.format == "savedmodel" else self.paths[0]

    @property
    def size_bytes(self) -> int:
        """The total size of its files, as far as it is known."""
        return sum(file.size_bytes or 0 for file in self.files)

    @property
    def is_installed(self) -> bool:
        return all(path.is_file() for path in self.paths)

    @property
    def is_usable(self) -> bool:
        """Whether it is installed and its description has no ``problem``."""
        return self.is_installed and not self.problem

    @property
    def is_packaged(self) -> bool:
        """Whether all files also lie in the Python package index."""
        return all(file.packaged for file in self.files)

    @property
    def install_command(self) -> str:
        return manage_command(f"fetch_models {self.name}")
