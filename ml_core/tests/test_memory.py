import gc
import subprocess
import sys

import pytest

from ml_core.memory import freeze_gc

PROGRAM = """
import resource, sys
from ml_core.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
bytearray(8 * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(b"x") * (8 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(choice: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, choice], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")
def test_the_memory_of_a_picture_is_reused_for_the_next():
    assert page_faults("keep") < page_faults("give back") / 4


def test_existing_objects_are_excluded_from_garbage_collection():
    kept = [[number] for number in range(1000)]
    try:
        freeze_gc()

        assert gc.get_freeze_count() > len(kept)
        assert not any(found is kept[0] for found in gc.get_objects())
    finally:
        gc.unfreeze()
