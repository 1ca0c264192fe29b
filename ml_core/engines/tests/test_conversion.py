"""The cache of converted models: complete, converted once, converted again when damaged."""

import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ml_core.catalog.installed import read_catalog
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import conversion, openvino
from ml_core.engines.converted import LOCK_SUFFIX
from ml_core.engines.openvino import OpenVinoEngine

PICTURE = np.zeros((1, 96, 96, 3), np.uint8)

# Makes Intel's telemetry a fatal error in the program that follows.
FORBID_TELEMETRY = """
import sys, openvino_telemetry
def refuse(*args, **kwargs):
    sys.exit("telemetry was started")
openvino_telemetry.Telemetry.init = refuse
"""


@pytest.fixture
def spec(toy_model_dir: Path) -> ModelSpec:
    return read_catalog(toy_model_dir)["toy"]


@pytest.fixture
def folder(spec, converted_dir, tmp_path, monkeypatch) -> Path:
    """A converted and compiled model for one test; a repeated conversion copies the original."""
    original = conversion.ensure_converted(spec, converted_dir).parent

    def convert(spec: ModelSpec, target: Path) -> None:
        shutil.copytree(original, target, ignore=shutil.ignore_patterns("*.blob"))
        conversion.write_checksums(target)

    monkeypatch.setattr(conversion, "_convert", convert)
    load(spec, tmp_path)
    return conversion.ensure_converted(spec, tmp_path).parent


def load(spec: ModelSpec, cache_dir: Path) -> OpenVinoEngine:
    return OpenVinoEngine(spec, precision="float32", cache_dir=cache_dir)


def rewrite(path: Path, content: bytes) -> None:
    # OpenVINO writes its blob read-only.
    path.unlink()
    path.write_bytes(content)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    rewrite(path, bytes(content))


def truncate(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-10])


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "*.blob", "sha256.json"])
@pytest.mark.parametrize("damage", [flip_a_byte, truncate, Path.unlink])
def test_a_damaged_model_is_converted_again(spec, folder, name, damage):
    whole = load(spec, folder.parent).outputs(PICTURE)
    (path,) = folder.glob(name)

    damage(path)

    for head, expected in zip(load(spec, folder.parent).outputs(PICTURE), whole, strict=True):
        np.testing.assert_array_equal(head, expected)
    assert conversion._is_intact(folder)


def test_a_model_that_fails_to_load_is_converted_again_even_with_valid_checksums(spec, folder):
    for path in [*folder.glob("*.blob"), folder / "model.bin"]:
        rewrite(path, b"")
    conversion.write_checksums(folder)

    load(spec, folder.parent)

    assert (folder / "model.bin").stat().st_size > 0


def test_a_file_without_a_checksum_is_not_used(folder):
    added = folder / "half-written.blob"
    added.touch()

    assert conversion._is_intact(folder)

    assert not added.exists()


def test_a_file_that_is_being_written_is_kept(spec, folder):
    cache_dir, written = folder.parent, folder / "being-written.blob"
    with ThreadPoolExecutor(1) as others:
        with conversion.sole_use(folder):
            written.touch()
            checked = others.submit(conversion.ensure_converted, spec, cache_dir)
            with pytest.raises(TimeoutError):
                checked.result(0.3)
            conversion.write_checksums(folder)
        checked.result()

    assert written.exists()
    assert conversion._is_intact(folder)


def test_first_starts_at_the_same_time_compile_once(spec, folder, monkeypatch):
    """Each would delete what the others write, or take it for damaged."""
    hashed, checksums = [], conversion.write_checksums
    monkeypatch.setattr(
        openvino, "write_checksums", lambda folder: (hashed.append(folder), checksums(folder))
    )
    blobs = [*folder.glob("*.blob")]
    for blob in blobs:
        blob.unlink()
    checksums(folder)

    with ThreadPoolExecutor(4) as starts:
        engines = [starts.submit(load, spec, folder.parent) for _ in range(4)]
        assert all(engine.result().outputs(PICTURE) for engine in engines)

    assert hashed == [folder] * len(blobs)
    assert all(blob.exists() for blob in blobs)
    assert conversion._is_intact(folder)


def test_leftovers_of_a_killed_conversion_are_removed_when_no_other_runs(spec, folder):
    cache_dir = folder.parent
    unfinished = cache_dir / ".unfinished-1"
    unfinished.mkdir()
    (cache_dir / "of-somebody-else").touch()

    with FileLock(cache_dir / conversion.LOCK):
        load(spec, cache_dir)
        assert unfinished.exists()
    load(spec, cache_dir)

    left = {path.name for path in cache_dir.iterdir() if path.suffix != LOCK_SUFFIX}
    assert left == {conversion.LOCK, folder.name, "of-somebody-else"}


def test_a_conversion_ends_with_its_parent_process(spec, tmp_path):
    program = (
        "import pickle, sys; from pathlib import Path; from ml_core.engines import conversion;"
        "conversion.ensure_converted(pickle.load(sys.stdin.buffer), Path(sys.argv[1]))"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        stdin=subprocess.PIPE,
        cwd=conversion.PROJECT_ROOT,
    )
    assert server.stdin
    server.stdin.write(pickle.dumps(spec))
    server.stdin.close()
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    deadline = time.monotonic() + 60
    while not (child := children.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    server.send_signal(signal.SIGKILL)
    server.wait()

    while Path(f"/proc/{child[0]}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (unfinished,) = tmp_path.glob(".unfinished-*")
    assert not (unfinished / "keras").exists()


def test_converting_starts_no_telemetry(spec, tmp_path):
    program = (
        "from pathlib import Path; from ml_core.engines import convert;"
        "convert.run(Path(sys.argv[1]))"
    )

    for step in conversion.steps(spec):
        tmp_path.joinpath(conversion.REQUEST).write_bytes(pickle.dumps((step, spec)))
        run_without_telemetry(program, str(tmp_path))

    assert (tmp_path / "model" / "model.xml").exists()


def test_serving_and_quantizing_start_no_telemetry():
    run_without_telemetry("import ml_core.engines.openvino, ml_core.engines.quantized, nncf")


def run_without_telemetry(program: str, *arguments: str) -> None:
    command = [sys.executable, "-c", FORBID_TELEMETRY + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=conversion.PROJECT_ROOT)
    assert done.returncode == 0, done.stderr
