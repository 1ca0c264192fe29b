"""The reserve file; tests/server/test_full_disk.py uses it on a really full disk."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from operation.tests.test_commands import media, stored, video  # noqa: F401
from web.storage import reserve

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]


@pytest.fixture
def path(settings) -> Path:
    return settings.DATA_DIR / "reserve"


def test_the_reserve_is_created_only_with_enough_free_space(settings, path):
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 2**62}
    reserve.create_reserve()
    assert not path.exists()

    settings.LIMITS = {**settings.LIMITS, "free_bytes": 0}
    reserve.create_reserve()
    assert path.stat().st_size == reserve.RESERVE_BYTES


def test_purge_media_recreates_a_truncated_reserve(settings, path):
    settings.LIMITS = {**settings.LIMITS, "free_bytes": 0}
    path.write_bytes(b"cut off")

    call_command("purge_media", "--dry-run")
    assert path.read_bytes() == b"cut off"

    call_command("purge_media")
    assert path.stat().st_size == reserve.RESERVE_BYTES


def test_deleting_keeps_the_reserve_while_there_is_space(path):
    path.write_bytes(b"reserve")

    stored().delete()

    assert path.exists()


@pytest.mark.parametrize("make", [stored, video])
def test_on_a_full_disk_the_reserve_and_files_are_deleted_before_the_row(path, monkeypatch, make):
    path.write_bytes(b"reserve")
    row = make()
    row.refresh_from_db()
    file = Path(row.original.path if make is stored else row.file.path)
    monkeypatch.setattr(reserve, "_free_bytes", lambda: 0)

    with pytest.raises(RuntimeError), transaction.atomic():
        row.delete()
        # Before the transaction commits, unlike the deletion of files otherwise.
        assert not path.exists() and not file.exists()
        raise RuntimeError
