"""Pictures of one colour, in folders named by their classes, for tests."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

Colour = tuple[int, int, int]
BLUE, RED = (0, 0, 250), (250, 0, 0)


def write_pictures(folder: Path, colours: Mapping[str, Colour]) -> None:
    """Write three pictures of each class."""
    for name, colour in colours.items():
        folder.joinpath(name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (16, 16), colour).save(folder / name / f"{number}.png")


def zipped(folder: Path, path: Path) -> Path:
    """Write the files of ``folder`` into the archive ``path``."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    return path
