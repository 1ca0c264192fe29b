"""A media directory per test, and clips in which the toy network finds objects."""

from fractions import Fraction
from pathlib import Path

import pytest

from detect_video.tests.clips import Cells, write_clip
from ml_core.tests.toy_network import RED


def cell_of(frame_index: int) -> tuple[int, int]:
    """The (column, row) of the red cell in that frame of a clip."""
    return frame_index % 3, frame_index // 3 % 2


def write_tomatoes(path: Path, frames: int, rate: int = 10) -> Path:
    """A clip with one "tomato" per frame, in a different cell from the previous frame."""

    def cells(frame_index: int) -> Cells:
        return {cell_of(frame_index): RED}

    return write_clip(
        path,
        frames=frames,
        size_wh=(96, 96),
        rate=Fraction(rate),
        pixel_format="yuv444p",
        cells=cells,
    )


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An mp4 of 20 frames, 2 s long."""
    return write_tomatoes(tmp_path_factory.mktemp("clips") / "clip.mp4", 20).read_bytes()
