"""Reading labelled pictures from folders, zip files and npz files."""

import io
import shutil
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ml_core.pictures.images import ImageLimits
from ml_core.training.classification.data import (
    Dataset,
    DatasetError,
    read_dataset,
    read_test_split,
)
from ml_core.training.tests.drawn_pictures import LABELS, draw_tree

LIMITS = ImageLimits(max_bytes=10**6, max_pixels=10**6)


NPZ_BYTES = 10**7


def read(path: Path) -> Dataset:
    return read_dataset(path, resolution_wh=(32, 32), limits=LIMITS, npz_bytes=NPZ_BYTES)


def zipped(folder: Path, inside: str) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


@pytest.fixture
def split_tree(tmp_path):
    draw_tree(tmp_path / "shapes" / "train", 3)
    draw_tree(tmp_path / "shapes" / "test", 2, seed=1)
    return tmp_path / "shapes"


def test_a_folder_with_both_splits_is_read(split_tree):
    dataset = read(split_tree)

    assert dataset.name == "shapes"
    assert dataset.labels == LABELS
    assert dataset.train.images.shape == (9, 32, 32, 3)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.class_ids.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(dataset.test) == 6


@pytest.mark.parametrize("inside", ["", "shapes/", "a/b/"])
def test_a_zip_file_gives_the_same_as_its_folder(split_tree, inside):
    from_folder = read(split_tree)

    from_zip = read(zipped(split_tree, inside))

    np.testing.assert_array_equal(from_zip.train.images, from_folder.train.images)
    np.testing.assert_array_equal(from_zip.test.class_ids, from_folder.test.class_ids)


def test_pictures_of_any_size_become_32_by_32(tmp_path):
    dataset = read(draw_tree(tmp_path / "large", 2, side=75))

    assert dataset.train.images.shape[1:] == (32, 32, 3)


def test_without_a_test_split_every_tenth_picture_is_held_out(tmp_path):
    tree = draw_tree(tmp_path / "shapes", 11)

    dataset = read(tree)

    assert (len(dataset.train), len(dataset.test)) == (27, 6)
    held_out = {image.tobytes() for image in dataset.test.images}
    assert not held_out & {image.tobytes() for image in dataset.train.images}


def test_evaluation_uses_the_same_held_out_pictures(tmp_path):
    tree = draw_tree(tmp_path / "shapes", 11)

    split = read_test_split(
        tree, labels=LABELS, resolution_wh=(32, 32), limits=LIMITS, npz_bytes=NPZ_BYTES
    )

    np.testing.assert_array_equal(split.images, read(tree).test.images)


def test_the_test_split_uses_the_class_ids_of_the_model(split_tree):
    labels = ("ring", "square", "disc", "bar")

    split = read_test_split(
        split_tree, labels=labels, resolution_wh=(32, 32), limits=LIMITS, npz_bytes=NPZ_BYTES
    )

    assert split.class_ids.tolist() == [0, 0, 2, 2, 3, 3]


def test_the_error_names_a_class_unknown_to_the_model(split_tree):
    with pytest.raises(DatasetError, match="does not know: disc, ring"):
        read_test_split(
            split_tree, labels=("bar",), resolution_wh=(32, 32), limits=LIMITS, npz_bytes=NPZ_BYTES
        )


def test_one_error_names_all_broken_pictures(split_tree):
    (split_tree / "train" / "disc" / "01.png").write_bytes(b"no picture")
    (split_tree / "train" / "ring" / "00.png").write_bytes(b"")

    with pytest.raises(DatasetError) as caught:
        read(split_tree)

    assert "2 of 9 pictures cannot be used" in str(caught.value)
    assert "disc/01.png: This is not a picture" in str(caught.value)
    assert "ring/00.png: The picture is empty" in str(caught.value)


def test_the_error_names_a_broken_picture_in_a_zip_file(split_tree):
    (split_tree / "train" / "disc" / "01.png").write_bytes(b"no picture")

    with pytest.raises(DatasetError, match=r"shapes\.zip/train/disc/01\.png: "):
        read(zipped(split_tree, ""))


def test_other_files_are_ignored(split_tree):
    (split_tree / "train" / "bar" / "Thumbs.db").write_bytes(b"")
    (split_tree / "train" / ".cache").mkdir()
    (split_tree / "__MACOSX").mkdir()

    assert len(read(split_tree).train) == 9


def test_one_class_is_too_few(tmp_path):
    tree = draw_tree(tmp_path / "shapes", 2)
    shutil.rmtree(tree / "disc")
    shutil.rmtree(tree / "ring")

    with pytest.raises(DatasetError, match="none|at least two classes"):
        read(tree)


def test_a_class_of_one_picture_cannot_be_split(tmp_path):
    with pytest.raises(DatasetError, match="'bar' has 1 picture; at least 2"):
        read(draw_tree(tmp_path / "shapes", 1))


def test_the_error_names_a_class_that_only_the_test_split_has(split_tree):
    shutil.rmtree(split_tree / "train" / "ring")

    with pytest.raises(DatasetError, match=r"classes train lacks: \['ring'\]"):
        read(split_tree)


def test_a_test_split_without_a_training_split_is_refused(split_tree):
    shutil.rmtree(split_tree / "train")

    with pytest.raises(DatasetError, match="no pictures to train on"):
        read(split_tree)


@pytest.mark.parametrize("name", ["missing", "empty", "note.txt"])
def test_other_paths_are_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no data")

    with pytest.raises(DatasetError, match=name):
        read(tmp_path / name)


def write_npz(path: Path, **arrays: np.ndarray) -> Path:
    rng = np.random.default_rng(0)
    usual = {
        "x_train": rng.integers(0, 256, (20, 40, 24, 3), np.uint8),
        "y_train": np.arange(20).reshape(20, 1) % 2,
    }
    np.savez(path, **{**usual, **arrays})  # type: ignore[arg-type]
    return path


def test_an_npz_file_is_read_and_resized(tmp_path):
    path = write_npz(
        tmp_path / "own.npz",
        x_test=np.zeros((2, 32, 32, 3), np.uint8),
        y_test=np.array([0, 1]),
        labels=np.array(["no", "yes"]),
    )

    dataset = read(path)

    assert dataset.labels == ("no", "yes")
    assert dataset.train.images.shape == (20, 32, 32, 3)
    assert dataset.train.class_ids.tolist() == [0, 1] * 10
    assert len(dataset.test) == 2


def test_an_npz_file_without_a_test_split_holds_one_out(tmp_path):
    dataset = read(write_npz(tmp_path / "own.npz"))

    assert dataset.labels == ("0", "1")
    assert (len(dataset.train), len(dataset.test)) == (18, 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.zeros((20, 32, 32), np.uint8)}, r"expected x_train as \(N, H, W, 3\)"),
        ({"x_train": np.zeros((20, 32, 32, 3))}, "float64"),
        ({"y_train": np.zeros(3, int)}, "expected y_train as 20 whole numbers"),
        ({"y_train": np.zeros(20, int)}, "at least two classes"),
        ({"y_train": np.arange(20) - 1}, "negative class id"),
        ({"labels": np.array(["one"])}, "expected class ids from 0 to 0"),
        ({"x_test": np.zeros((1, 32, 32, 3), np.uint8)}, "Expected y_test"),
        ({"y_train": np.array([None] * 20)}, "cannot be read as an npz file"),
    ],
)
def test_an_invalid_npz_file_is_refused_with_the_reason(tmp_path, arrays, message):
    with pytest.raises(DatasetError, match=message):
        read(write_npz(tmp_path / "own.npz", **arrays))


@contextmanager
def little_memory() -> Iterator[None]:
    """The code inside allocates less than a fifth of what the bombs below would need."""
    tracemalloc.start()
    yield
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = zipped(draw_tree(tmp_path / "shapes", 3), "")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{LABELS[0]}/bomb.png", bytes(100_000_000))
    assert path.stat().st_size < 500_000

    with little_memory(), pytest.raises(DatasetError, match="bomb.png: .* 100,000,000 bytes"):
        read(path)


def test_an_npz_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    pictures = np.zeros((32_552, 32, 32, 3), np.uint8)
    np.savez_compressed(path, x_train=pictures, y_train=np.arange(len(pictures)) % 2)
    del pictures
    assert path.stat().st_size < 500_000

    with little_memory(), pytest.raises(DatasetError, match=r"would take 100,\d+,\d+ bytes"):
        read(path)


def test_memory_is_not_allocated_for_a_false_npz_header(tmp_path):
    path = tmp_path / "lie.npz"
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": (10**8, 32, 32, 3)}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())

    with little_memory(), pytest.raises(DatasetError, match="would take 307,200,000,000 bytes"):
        read(path)


def test_tiny_pictures_that_exceed_the_limit_once_resized_are_refused(tmp_path):
    pictures = np.zeros((10_000, 1, 1, 3), np.uint8)
    path = write_npz(tmp_path / "own.npz", x_train=pictures, y_train=np.arange(10_000) % 2)

    with little_memory(), pytest.raises(DatasetError, match="would take 30,720,000 bytes"):
        read(path)


def test_an_npz_file_of_exactly_the_limit_is_accepted(tmp_path):
    path = write_npz(tmp_path / "own.npz", x_train=np.zeros((20, 64, 64, 3), np.uint8))
    with zipfile.ZipFile(path) as archive:
        unpacked_bytes = sum(member.file_size for member in archive.infolist())
    options = {"resolution_wh": (32, 32), "limits": LIMITS}

    assert read_dataset(path, **options, npz_bytes=unpacked_bytes).labels == ("0", "1")
    with pytest.raises(DatasetError, match=f"at most {unpacked_bytes - 1:,}"):
        read_dataset(path, **options, npz_bytes=unpacked_bytes - 1)
