"""Files that belong to a model are found beside the one that is named."""

import errno
import zipfile
from pathlib import Path

import pytest

from ml_core.catalog.formats import ModelFileError
from ml_core.inspection.sources import collect, unpack


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder of the user with the two files of a Darknet model."""
    folder = tmp_path / "given"
    folder.mkdir()
    for name in ("net.cfg", "net.weights"):
        folder.joinpath(name).write_text(name)
    return folder


def collected(path: Path, folder: Path) -> tuple[str, ...]:
    folder.mkdir()
    return collect([path], folder, max_bytes=1000).names


@pytest.mark.parametrize("name", ["net.cfg", "net.weights"])
def test_the_other_file_of_a_model_is_taken_from_beside_it(given, tmp_path, name):
    given.joinpath("other.cfg").touch()
    given.joinpath("other.weights").touch()

    assert collected(given / name, tmp_path / "new") == ("net.cfg", "net.weights")


def test_the_only_file_that_can_be_meant_may_have_another_name(given, tmp_path):
    given.joinpath("net.weights").rename(given / "net_final.weights")

    assert collected(given / "net.cfg", tmp_path / "new") == ("net.cfg", "net_final.weights")


def test_of_several_files_none_is_taken(given, tmp_path):
    given.joinpath("net.weights").rename(given / "net_1000.weights")
    given.joinpath("net_2000.weights").touch()

    with pytest.raises(ModelFileError, match=r"net\.cfg needs one \.weights file"):
        collected(given / "net.cfg", tmp_path / "new")


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "net.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.onnx", b"abc" * 1000)
    content = bytearray(path.read_bytes())
    # Within the compressed bytes of the member.
    content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)

    with pytest.raises(ModelFileError, match="net.zip is no complete zip archive"):
        unpack(path, tmp_path / "out", max_bytes=10**6)


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    path = tmp_path / "net.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net.onnx", b"abc")

    def full(*files: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)

    with pytest.raises(OSError, match="No space left"):
        unpack(path, tmp_path / "out", max_bytes=10**6)
