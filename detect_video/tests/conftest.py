"""A site whose files lie in a folder of the test's, and clips that the toy network understands."""

from pathlib import Path

import av
import numpy as np
import pytest

from ml_core.tests.toy_network import RED, cells_picture


def cell_of(frame_index: int) -> tuple[int, int]:
    """The (column, row) of the red cell in that frame of a clip."""
    return frame_index % 3, frame_index // 3 % 3


def write_clip(path: Path, frames: int, *, side: int = 96, rate: int = 10) -> Path:
    """An mp4 whose frames show one "tomato" each, in another cell than the frame before."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv444p"
        for index in range(frames):
            picture = np.asarray(cells_picture({cell_of(index): RED}, side))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An mp4 of 20 frames, 2 s long."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 20).read_bytes()
