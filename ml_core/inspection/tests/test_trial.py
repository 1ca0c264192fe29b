"""What the child process of a trial wrote is read within limits."""

import json
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml_core.catalog.formats import InputFormat, ModelFileError
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.engines.conversion import StepProcess
from ml_core.inspection import trial
from ml_core.inspection.reading.facts import FACTS_FILE, load_facts
from ml_core.inspection.reading.onnx_metadata import read_onnx_metadata
from ml_core.tests.model_files import echo_onnx, fixed_onnx

PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def process() -> Iterator[StepProcess]:
    with StepProcess() as process:
        yield process


def spec_of(path: Path) -> ModelSpec:
    return ModelSpec(
        name="net",
        task="classification",
        family="onnx",
        directory=path.parent,
        format="onnx",
        files=(ModelFile(path.name),),
        input_wh=(8, 8),
        resizing="stretch",
        input=InputFormat(axes="NCHW"),
    )


def test_the_outputs_for_a_picture_have_a_limit(process, tmp_path, monkeypatch):
    spec = spec_of(echo_onnx(tmp_path / "net.onnx", [1, 3, 8, 8]))
    monkeypatch.setattr(trial, "MAX_OUTPUT_BYTES", 128 + 3 * 8 * 8 * 4)
    assert trial.try_once(process, spec, PICTURE)["values"].shape == (1, 192)
    monkeypatch.setattr(trial, "MAX_OUTPUT_BYTES", 127 + 3 * 8 * 8 * 4)

    with pytest.raises(ModelFileError, match="have 896 bytes; at most 895 are accepted"):
        trial.try_once(process, spec, PICTURE)


@pytest.mark.parametrize("content", [b"\x93NUMPY broken", b"pickled", b""])
def test_what_is_no_array_is_refused(tmp_path, content):
    np.savez(tmp_path / "0.npz", **{"0-0": np.zeros(3)})
    tmp_path.joinpath(trial.NAMES).write_text(json.dumps(["scores"]))
    assert [*trial._load(tmp_path, 0, 1)][0]["scores"].shape == (3,)
    tmp_path.joinpath("0.npz").write_bytes(content)

    with pytest.raises(ModelFileError, match="no usable outputs"):
        list(trial._load(tmp_path, 0, 1))


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path):
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    archive = zipfile.ZipFile(tmp_path / "0.npz", "w")
    with archive, archive.open("0-0.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    tmp_path.joinpath(trial.NAMES).write_text(json.dumps(["scores"]))

    with pytest.raises(ModelFileError, match="no usable outputs"):
        list(trial._load(tmp_path, 0, 1))


def test_a_trial_stops_at_once_when_its_progress_is_not_wanted_any_more(process, tmp_path):
    spec = spec_of(echo_onnx(tmp_path / "net.onnx", [1, 3, 8, 8]))
    started_s = time.monotonic()

    def stop(done: int) -> None:
        if time.monotonic() > started_s + 0.5:
            raise KeyError("cancelled")

    with pytest.raises(KeyError, match="cancelled"):
        trial.run_trial(
            process, spec, [PICTURE] * 200_000, 200_000, [spec.input], lambda *_: None, stop
        )


def test_a_step_that_fails_ends_the_process(process, tmp_path):
    path = echo_onnx(tmp_path / "net.onnx", [1, 3, 8, 8])
    spec = spec_of(path)
    assert trial.look_into(process, spec).image.name == "image"
    path.write_bytes(b"broken")

    for _ in range(2):
        with pytest.raises(ModelFileError, match="OpenVINO cannot read it"):
            trial.try_once(process, spec, PICTURE)
    assert process.returncode == NETWORK_UNUSABLE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file")
def test_facts_without_an_end_are_refused(tmp_path):
    tmp_path.joinpath(FACTS_FILE).symlink_to("/dev/zero")

    with pytest.raises(ModelFileError, match="says too much about itself"):
        load_facts(tmp_path)


@pytest.mark.parametrize(
    "names", ["[" * 10**5, "{0: " + "-" * 10**5 + "1}", "{0: __import__('os')}", "{'a': 'b'}"]
)
def test_class_names_that_are_no_names_are_ignored(tmp_path, names):
    arrays = {"scores": np.zeros((1, 2))}
    path = fixed_onnx(tmp_path / "net.onnx", arrays, (8, 8), {"names": names, "imgsz": "[8, x]"})

    facts = read_onnx_metadata(path)

    assert facts == {"task": "", "licence": ""}
