"""Stored files are complete or absent, also on a full disk."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper as SqliteWrapper
from django.db.utils import (
    DatabaseError,
    DataError,
    Error,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from psycopg import errors

from web.errors import DatabaseBusy, StorageFull, StorageUnusable, ValueUnusable
from web.storage.disk import WholeFileStorage, as_vision_error, is_full

ON_A_FULL_DISK = """
import sys
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from web.errors import StorageFull
from web.storage.disk import WholeFileStorage
storage = WholeFileStorage(location=sys.argv[1])
storage.save("stored/first.bin", ContentFile(bytes(600_000)))
try:
    storage.save("lost/second.bin", ContentFile(bytes(600_000)))
except StorageFull as exc:
    print(exc.status, exc.code)
from pathlib import Path
print(sorted(path.name for path in Path(sys.argv[1]).rglob("*")))
"""


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_stored_file_leaves_no_temporary_file(tmp_path):
    storage = WholeFileStorage(location=tmp_path, file_permissions_mode=0o640)

    name = storage.save("a/b.bin", ContentFile(b"bytes"))

    assert (name, files_in(tmp_path)) == ("a/b.bin", ["a", "a/b.bin"])
    assert (tmp_path / name).read_bytes() == b"bytes"
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


def test_existing_files_are_not_overwritten(tmp_path):
    storage = WholeFileStorage(location=tmp_path)

    names = [storage.save("a.bin", ContentFile(text)) for text in (b"1", b"2")]

    assert names[0] != names[1]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_at_any_step(tmp_path, monkeypatch, failing, code):
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, failing, fail)

    with pytest.raises(StorageFull, match="storage is full"):
        WholeFileStorage(location=tmp_path).save("a/b.bin", ContentFile(b"bytes"))

    assert files_in(tmp_path) == []


def test_a_file_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name: (steps.append(name), real(*args))[1]
        )

    WholeFileStorage(location=tmp_path).save("a.bin", ContentFile(b"bytes"))

    assert steps == ["fsync", "replace", "fsync"]


def test_other_errors_are_not_converted(tmp_path):
    (tmp_path / "a").write_text("a file, no folder")

    with pytest.raises((FileExistsError, NotADirectoryError)):
        WholeFileStorage(location=tmp_path).save("a/b.bin", ContentFile(b"bytes"))


def test_a_really_full_disk_raises_storage_full_and_keeps_existing_files(tmp_path):
    mounted = 'mount -t tmpfs -o size=1m tmpfs $2 2>/dev/null || exit 77; exec $0 -c "$1" $2'
    child = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, sys.executable, ON_A_FULL_DISK, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    if child.returncode == 77 or "unshare" in child.stderr:
        pytest.skip("this system lets nobody mount a small disk")

    assert child.stdout.splitlines() == [
        "507 storage_full",
        "['first.bin', 'stored']",
    ], child.stderr


KILLED_WHILE_WRITING = """
import os, signal, sys
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from web.storage.disk import WholeFileStorage
setattr(os, sys.argv[2], lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
WholeFileStorage(location=sys.argv[1]).save("a/b.bin", ContentFile(b"bytes"))
"""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_process_leaves_no_partial_file_under_a_final_name(tmp_path, step):
    # New folders are synced, too.
    (tmp_path / "a").mkdir()
    child = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path), step],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )

    assert child.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "a").iterdir()
    # purge_media deletes files with this suffix.
    assert left.name.startswith(".") and left.suffix == ".part"


def test_the_site_uses_this_storage():
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
def test_errors_that_mean_a_full_disk(error, full):
    assert is_full(error) is full


def sqlite(path: Path) -> BaseDatabaseWrapper:
    return SqliteWrapper({**connection.settings_dict, "NAME": str(path), "OPTIONS": {}})


def raised_by(database: BaseDatabaseWrapper, *statements: str) -> Exception:
    try:
        with pytest.raises(Error) as raised, database.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        database.close()
    return raised.value


def empty(path: Path) -> None:
    """Replace the file by an empty one, as SQLite does when it was removed."""


def damaged(path: Path) -> None:
    """Damage the table's page, but not the first one."""
    raised_by(sqlite(path), "CREATE TABLE a (b UNIQUE)", "INSERT INTO a VALUES (1)", "wrong")
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"garbage" * 2000)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoil", [Path.mkdir, lambda path: path.write_bytes(b"garbage" * 1000), empty, damaged]
)
def test_a_broken_database_file_means_unusable_storage(spoil, tmp_path):
    spoil(tmp_path / "db.sqlite3")

    error = raised_by(sqlite(tmp_path / "db.sqlite3"), "SELECT * FROM a")

    assert isinstance(as_vision_error(error), StorageUnusable), error


@pytest.mark.django_db
def test_an_unreachable_postgresql_means_unusable_storage():
    settings = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": "1", "OPTIONS": {}}

    error = raised_by(PostgresWrapper({**settings, "NAME": "vision"}))

    assert isinstance(as_vision_error(error), StorageUnusable), error


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["SELEC 1", "SELECT c FROM a", "INSERT INTO a VALUES (1)", "SELECT nothing()"]
)
def test_sql_errors_do_not_mean_unusable_storage(statement, tmp_path):
    table = "CREATE TABLE a (b UNIQUE)", "INSERT INTO a VALUES (1)"

    error = raised_by(sqlite(tmp_path / "db.sqlite3"), *table, statement)

    assert as_vision_error(error) is None, error


@pytest.mark.parametrize(
    ("raised", "cause", "expected"),
    [
        (InternalError, errors.IdleInTransactionSessionTimeout("frozen"), StorageUnusable),
        (InternalError, errors.InternalError_("corrupt"), StorageUnusable),
        (OperationalError, errors.AdminShutdown("restarted"), StorageUnusable),
        (OperationalError, errors.TooManyConnections("all in use"), DatabaseBusy),
        (OperationalError, errors.LockNotAvailable("waited"), DatabaseBusy),
        # PoolTimeout, which has no class of its own in psycopg.
        (OperationalError, errors.OperationalError("couldn't get a connection"), DatabaseBusy),
        (DataError, errors.StringDataRightTruncation("too long"), ValueUnusable),
    ],
)
def test_errors_of_postgresql_are_expected_ones(raised, cause, expected):
    error = raised(str(cause))
    error.__cause__ = cause

    assert type(as_vision_error(error)) is expected


@pytest.mark.parametrize("error", [DatabaseError("no row was updated"), ProgrammingError("no")])
def test_errors_of_django_itself_do_not_mean_unusable_storage(error):
    assert as_vision_error(error) is None
