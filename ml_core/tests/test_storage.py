"""Kept files are whole or not there, also on a disk that is full."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db.utils import OperationalError

from ml_core.errors import StorageFull
from ml_core.storage import WholeFileStorage, is_full

ON_A_FULL_DISK = """
import sys
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from ml_core.errors import StorageFull
from ml_core.storage import WholeFileStorage
storage = WholeFileStorage(location=sys.argv[1])
storage.save("kept/first.bin", ContentFile(bytes(600_000)))
try:
    storage.save("lost/second.bin", ContentFile(bytes(600_000)))
except StorageFull as exc:
    print(exc.status, exc.code)
from pathlib import Path
print(sorted(path.name for path in Path(sys.argv[1]).rglob("*")))
"""


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_appears_with_its_bytes_under_its_name_alone(tmp_path):
    storage = WholeFileStorage(location=tmp_path, file_permissions_mode=0o640)

    name = storage.save("a/b.bin", ContentFile(b"bytes"))

    assert (name, files_in(tmp_path)) == ("a/b.bin", ["a", "a/b.bin"])
    assert (tmp_path / name).read_bytes() == b"bytes"
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


def test_a_name_that_is_taken_is_not_written_over(tmp_path):
    storage = WholeFileStorage(location=tmp_path)

    names = [storage.save("a.bin", ContentFile(text)) for text in (b"1", b"2")]

    assert names[0] != names[1]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_whichever_step_finds_the_disk_full_nothing_is_left(tmp_path, monkeypatch, failing, code):
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, failing, fail)

    with pytest.raises(StorageFull, match="storage is full"):
        WholeFileStorage(location=tmp_path).save("a/b.bin", ContentFile(b"bytes"))

    assert files_in(tmp_path) == []


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name: (steps.append(name), real(*args))[1]
        )

    WholeFileStorage(location=tmp_path).save("a.bin", ContentFile(b"bytes"))

    assert steps == ["fsync", "replace", "fsync"]


def test_other_errors_stay_what_they_are(tmp_path):
    (tmp_path / "a").write_text("a file, no folder")

    with pytest.raises((FileExistsError, NotADirectoryError)):
        WholeFileStorage(location=tmp_path).save("a/b.bin", ContentFile(b"bytes"))


def test_a_disk_that_is_really_full_is_told_and_keeps_what_it_had(tmp_path):
    mounted = 'mount -t tmpfs -o size=1m tmpfs $2 2>/dev/null || exit 77; exec $0 -c "$1" $2'
    child = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, sys.executable, ON_A_FULL_DISK, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    if child.returncode == 77 or "unshare" in child.stderr:
        pytest.skip("this system lets nobody mount a small disk")

    assert child.stdout.splitlines() == [
        "507 storage_full",
        "['first.bin', 'kept']",
    ], child.stderr


KILLED_WHILE_WRITING = """
import os, signal, sys
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from ml_core.storage import WholeFileStorage
setattr(os, sys.argv[2], lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
WholeFileStorage(location=sys.argv[1]).save("a/b.bin", ContentFile(b"bytes"))
"""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_process_killed_while_it_writes_leaves_no_half_file_under_a_name(tmp_path, step):
    # New ones are forced to the disk, too.
    (tmp_path / "a").mkdir()
    child = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path), step],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )

    assert child.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "a").iterdir()
    # Which purge_media knows.
    assert left.name.startswith(".") and left.suffix == ".part"


def test_the_site_keeps_files_this_way():
    from django.core.files.storage import default_storage

    assert isinstance(default_storage, WholeFileStorage)
    assert isinstance(default_storage, FileSystemStorage)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OperationalError("database or disk is full"), True),
        (OperationalError("database is locked"), False),
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EACCES, "not yours"), False),
        (ValueError(), False),
    ],
)
def test_what_full_means(error, full):
    assert is_full(error) is full
