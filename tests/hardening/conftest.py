"""A server for each program, and what is sent to it."""

import io
from collections.abc import Iterator

import pytest

from detect_video.conftest import cell_of
from detect_video.tests.clips import write_clip
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from tests.conftest import NewServer, Server


@pytest.fixture(scope="module")
def own_server(new_server: NewServer) -> Iterator[Server]:
    server = new_server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG with a tomato and a plum."""
    output = io.BytesIO()
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(output, "PNG")
    return output.getvalue()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An mp4 of 10 seconds at 30 frames a second, a tomato in each."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, frames=300, cells=lambda number: {cell_of(number): RED}).read_bytes()
