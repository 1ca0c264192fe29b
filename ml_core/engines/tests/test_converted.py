"""Stale converted models are removed, those in use are not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_core.engines.converted import STALE_SECONDS, hold, remove_stale

LONG_AGO_S = time.time() - STALE_SECONDS - 60
HOLD_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from ml_core.engines.converted import hold
lock = hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def converted(cache_dir: Path, name: str, digit: str, *, used_s: float = LONG_AGO_S) -> Path:
    folder = cache_dir / f"{name}-{digit * 16}"
    folder.mkdir()
    folder.joinpath("model.xml").write_text("")
    os.utime(folder, (used_s, used_s))
    return folder


def test_a_converted_model_is_removed_once_its_model_is_gone(tmp_path):
    gone, kept = converted(tmp_path, "gone", "a"), converted(tmp_path, "kept", "b")

    remove_stale(tmp_path, {"kept"})

    assert not gone.exists()
    assert kept.exists()


def test_of_a_model_whose_files_changed_the_version_used_last_stays(tmp_path):
    former = converted(tmp_path, "model", "a", used_s=LONG_AGO_S - 1)
    current = converted(tmp_path, "model", "b")
    of_another = converted(tmp_path, "model-2", "a", used_s=LONG_AGO_S - 2)

    remove_stale(tmp_path, {"model", "model-2"})

    assert not former.exists()
    assert current.exists() and of_another.exists()


def test_a_model_used_within_a_day_stays(tmp_path):
    gone = converted(tmp_path, "gone", "a", used_s=time.time() - STALE_SECONDS + 60)

    remove_stale(tmp_path, set())

    assert gone.exists()


def test_a_model_in_use_by_another_process_stays(tmp_path):
    gone = converted(tmp_path, "gone", "a")
    command = [sys.executable, "-c", HOLD_IN_ANOTHER_PROCESS, gone]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        os.utime(gone, (LONG_AGO_S, LONG_AGO_S))

        remove_stale(tmp_path, set())

        assert gone.exists()
        other.communicate()
    remove_stale(tmp_path, set())
    assert [*tmp_path.iterdir()] == []


def test_a_lock_that_is_released_marks_the_model_no_longer(tmp_path):
    gone = converted(tmp_path, "gone", "a")
    lock = hold(gone)
    os.utime(gone, (LONG_AGO_S, LONG_AGO_S))
    remove_stale(tmp_path, set())
    assert gone.exists()

    del lock

    remove_stale(tmp_path, set())
    assert not gone.exists()


@pytest.mark.parametrize("name", ["notes", ".unfinished-x", "model-0123"])
def test_other_folders_are_never_removed(tmp_path, name):
    tmp_path.joinpath(name).mkdir()
    os.utime(tmp_path / name, (LONG_AGO_S, LONG_AGO_S))

    remove_stale(tmp_path, set())

    assert tmp_path.joinpath(name).is_dir()
