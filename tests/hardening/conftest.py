"""Fixtures of the hardening tests: a server per module, a picture and a video."""

import io

import pytest

from detect_video.conftest import cell_of
from detect_video.tests.clips import write_clip
from ml_core.tests.toy_network import BLUE, RED, cells_picture


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG with a tomato and a plum."""
    output = io.BytesIO()
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(output, "PNG")
    return output.getvalue()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 file of 10 seconds at 30 frames per second, with a tomato in each frame."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, frames=300, cells=lambda number: {cell_of(number): RED}).read_bytes()
