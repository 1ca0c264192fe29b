"""The commands ``purge_media`` and ``check_media``."""

import hashlib
import io
import os
import re
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from classify.models import ClassifiedImage
from detect_image.models import DetectedImage
from detect_video.models import Rendering, State, Video
from model_library.models import ModelJob
from operation import audit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "tmp"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    settings.MEDIA_ROOT.mkdir()
    return settings.MEDIA_ROOT


def stored(days: int = 0, data: bytes = b"picture", **owner: object) -> DetectedImage:
    sizes = {"width": 8, "height": 8, "score_threshold": 0.5, "iou_threshold": 0.5}
    picture = DetectedImage(detections=[], timing_ms={}, **sizes, **owner)
    picture.sha256 = hashlib.sha256(data).hexdigest()
    picture.original.save("_.png", ContentFile(data), save=False)
    picture.drawn.save("_", ContentFile(b"drawn"), save=False)
    picture.size_bytes = len(data) + len(b"drawn")
    picture.save()
    return aged(picture, days)


def classified(days: int = 0, **owner: object) -> ClassifiedImage:
    picture = ClassifiedImage(score=1, probabilities={}, timing_ms={}, **owner)
    picture.size_bytes = len(b"picture")
    picture.file.save("_.png", ContentFile(b"picture"))
    return aged(picture, days)


def video(days: int = 0, state: str = State.DONE, **owner: object) -> Video:
    row = Video(name="clip.mp4", size_bytes=5, state=state, **owner)
    row.save()
    row.folder.mkdir(parents=True)
    (row.part_path if state == State.UPLOADING else row.source_path).write_bytes(b"video")
    if state != State.UPLOADING:
        row.poster_path.write_bytes(b"first frame")
        Video.objects.filter(pk=row.pk).update(file=f"detect_video/{row.pk}/source")
    return aged(row, days)


def aged(row, days: int):
    then = timezone.now() - timedelta(days=days)
    fields = {"created_at": then, **({"updated_at": then} if isinstance(row, Video) else {})}
    type(row).objects.filter(pk=row.pk).update(**fields)
    return row


def session(days: int = 1) -> str:
    store = SessionStore()
    store.set_expiry(timedelta(days=days))
    store.create()
    return store.session_key


def output_of(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def old_file(path: Path, days: float = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left over")
    then = time.time() - days * 86400
    os.utime(path, (then, then))
    return path


def test_old_media_is_deleted_with_its_files(media):
    user = User.objects.create_user("anna")
    for make in (stored, classified, video):
        make(days=31, user=user)
    young = stored(days=29, user=user)

    output = output_of("purge_media", "--older-than", "30")

    assert [*DetectedImage.objects.all()] == [young]
    assert not ClassifiedImage.objects.exists() and not Video.objects.exists()
    assert set(media.rglob("*.*")) == {
        Path(young.original.path),
        Path(young.drawn.path),
    }
    assert "1 pictures older than 30 days: deleted" in output


def test_media_is_deleted_by_age_only_with_retention_days(settings):
    user = User.objects.create_user("anna")
    stored(days=4000, user=user)

    output_of("purge_media")
    assert DetectedImage.objects.exists()

    settings.RETENTION_DAYS = 30
    output_of("purge_media")
    assert not DetectedImage.objects.exists()


def test_a_dry_run_deletes_nothing(media):
    stored(days=31)
    session(days=-1)
    part = old_file(media / "classify" / ".x.part")

    output = output_of("purge_media", "--older-than", "30", "--dry-run")

    assert DetectedImage.objects.exists() and Session.objects.exists() and part.exists()
    assert output.count("would be deleted") == 3


def test_only_media_of_expired_sessions_is_deleted():
    alive, over = session(), session(days=-1)
    user = User.objects.create_user("anna")
    stays = [stored(session_key=alive), stored(user=user), stored()]
    for key in (over, "gone"):
        stored(session_key=key)

    output_of("purge_media")

    assert {*DetectedImage.objects.all()} == {*stays}
    assert [each.session_key for each in Session.objects.all()] == [alive]


def test_only_abandoned_uploads_are_deleted(media):
    user = User.objects.create_user("anna")
    video(days=2, state=State.UPLOADING, user=user)
    under_way = video(state=State.UPLOADING, user=user)

    output_of("purge_media")

    assert [*Video.objects.all()] == [under_way]
    assert [*media.rglob("*.part")] == [under_way.part_path]


@pytest.mark.django_db(transaction=True)
def test_uploads_of_models_that_nobody_continues_are_deleted(settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    old = timezone.now() - timedelta(days=2)
    for state in ("uploading", "understood"):
        job = ModelJob.objects.create(kind="add", state=state)
        job.folder.mkdir(parents=True)
        if state == "understood":
            ModelJob.objects.filter(pk=job.pk).update(updated_at=old)

    output_of("purge_media")

    assert [job.state for job in ModelJob.objects.all()] == ["uploading"]
    assert len(list(ModelJob.root().iterdir())) == 1


def test_temporary_files_of_crashes_are_deleted_after_a_day(media, settings):
    renderings_folder = video(user=User.objects.create_user("anna")).folder / "renderings"
    crashed = [
        old_file(media / "classify" / ".abc.part"),
        old_file(renderings_folder / "x.avi.part"),
        old_file(settings.FILE_UPLOAD_TEMP_DIR / "tmpabc.upload.png"),
        old_file(settings.FILE_UPLOAD_TEMP_DIR / "tmpdef" / "recording.avi.part"),
        old_file(media / "detect_video" / str(uuid.uuid4()) / "source.part"),
    ]
    under_way = old_file(media / "classify" / ".new.part", days=0)

    output_of("purge_media")

    assert [path for path in crashed if path.exists()] == []
    assert under_way.exists()
    assert [*settings.FILE_UPLOAD_TEMP_DIR.iterdir()] == []
    assert [each.name for each in (media / "detect_video").iterdir()] == [
        renderings_folder.parent.name
    ]


def test_a_negative_age_is_rejected():
    with pytest.raises(CommandError, match="Expected a number of days"):
        call_command("purge_media", "--older-than", "-1")


def test_intact_media_has_no_problems():
    stored(), classified(), video(), video(state=State.UPLOADING)

    assert "All files are intact" in output_of("check_media")


def problems() -> str:
    output = io.StringIO()
    with pytest.raises(CommandError):
        call_command("check_media", stdout=output)
    return output.getvalue()


def test_missing_corrupt_and_orphaned_files_are_listed(media):
    missing, changed, empty = stored(), stored(), video()
    Path(missing.drawn.path).unlink()
    Path(changed.original.path).write_bytes(b"another")
    empty.source_path.write_bytes(b"")
    orphan = old_file(media / "classify" / "orphan.png")

    lines = sorted(problems().splitlines())

    assert [line.split()[0] for line in lines] == ["corrupt", "corrupt", "missing", "orphaned"]
    assert str(orphan) in lines[3] and str(missing.pk) in lines[2]


def rendering(**fields: object) -> Rendering:
    row = Rendering(video=video(), codec="mjpg", score_threshold=0.5, state=State.DONE, **fields)
    row.show_names = row.show_scores = True
    row.file.save("detect_video/rendering.avi", ContentFile(b"drawn!"))
    return row


def test_files_of_renderings_are_checked():
    Path(rendering(size_bytes=6).file.path).unlink()

    assert "missing" in problems()


def test_files_without_a_hash_are_compared_by_their_size():
    drawn = stored()
    Path(drawn.drawn.path).write_bytes(b"not what was drawn")
    rendering(size_bytes=7)

    lines = problems().splitlines()

    assert [line.split()[0] for line in lines] == ["corrupt", "corrupt"]
    assert f"{drawn.pk}: 25 bytes" in lines[0] and "expected 12" in lines[0]
    assert "6 bytes" in lines[1] and "expected 7" in lines[1]


def test_rows_deleted_during_the_check_are_ignored(monkeypatch):
    picture = stored()
    files_of_row = audit.files_of_row

    def deleted_meanwhile(row):
        files = files_of_row(row)
        DetectedImage.objects.filter(pk=picture.pk).delete()
        return files

    monkeypatch.setattr(audit, "files_of_row", deleted_meanwhile)

    assert [*audit.missing_and_corrupt()] == []


@pytest.mark.django_db
def test_purging_says_that_there_is_nothing_to_delete():
    assert output_of("purge_media", "--dry-run") == "Nothing to delete.\n"


@pytest.mark.parametrize("arguments", [["check_media", "--delete-orphans"], ["purge_media"]])
def test_files_deleted_during_the_check_are_ignored(media, monkeypatch, arguments):
    path = old_file(media / "classify" / ".abc.part")
    other = old_file(media / "classify" / "orphan.png")
    stat = Path.stat

    def gone(self: Path, **options):
        if self in (path, other):
            # The file existed when its type was checked.
            self.unlink(missing_ok=True)
        return stat(self, **options)

    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "stat", gone)

    output_of(*arguments)


def test_an_upload_without_its_row_is_an_orphan(media):
    path = old_file(media / "detect_video" / str(uuid.uuid4()) / "source.part")

    assert f"orphaned {path}" in problems()
    assert f"deleted  {path}" in output_of("check_media", "--delete-orphans")
    assert [*(media / "detect_video").iterdir()] == []


def test_orphans_are_deleted_on_request_unless_they_are_new(media):
    old = old_file(media / "classify" / "old.png")
    young = old_file(media / "classify" / "young.png", days=0)

    output = output_of("check_media", "--delete-orphans")

    assert not old.exists() and young.exists()
    assert f"deleted  {old}" in output and str(young) not in output
    assert "All files are intact" in output


def old_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    then = time.time() - 2 * 86400
    os.utime(path, (then, then))
    return path


def test_empty_folders_and_partial_files_are_listed_and_deleted(media):
    done, under_way = video(), video(state=State.UPLOADING)
    old_file(under_way.part_path)
    left_over = [
        old_file(done.part_path),
        old_file(done.folder / "renderings" / f"{uuid.uuid4()}.avi.part"),
        old_file(media / "classify" / ".abc.part"),
        old_folder(media / "detect_image" / str(uuid.uuid4())),
        old_folder(media / "detect_video" / str(uuid.uuid4()) / "renderings"),
    ]
    young = [
        old_file(media / "classify" / ".new.part", days=0.5),
        old_file(under_way.folder / "renderings" / "new.avi.part", days=0),
    ]
    (media / "detect_image" / str(uuid.uuid4())).mkdir()

    listed = {Path(line.split()[1]) for line in problems().splitlines()}
    output_of("check_media", "--delete-orphans")

    assert listed == {*left_over}
    assert [path for path in left_over if path.exists()] == []
    assert done.source_path.exists() and under_way.part_path.exists()
    assert all(path.exists() for path in young)
    assert {*(media / "detect_video").iterdir()} == {done.folder, under_way.folder}
    assert "All files are intact" in output_of("check_media")


def test_the_nightly_commands_succeed_after_a_crash(media):
    stored()
    old_file(media / "detect_image" / str(uuid.uuid4()) / "original.png")
    old_file(media / "classify" / "new.png", days=0)
    old_file(media / "classify" / ".new.part", days=0)
    old_folder(media / "detect_image" / str(uuid.uuid4()))
    unit = Path("deploy/vision-purge.service").read_text("utf-8")

    commands = re.findall(r"^Exec.*manage\.py (.*)$", unit, re.MULTILINE)
    for command in commands:
        output_of(*command.split())

    assert "purge_media" in commands[0]

    assert len([*(media / "detect_image").iterdir()]) == 1


def test_the_exit_status_tells_whether_problems_were_found(media):
    old_file(media / "orphan")

    with pytest.raises(CommandError) as caught:
        call_command("check_media", stdout=io.StringIO())

    assert caught.value.returncode == 1
