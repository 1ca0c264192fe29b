"""Service functions of the video stage, shared by views, sockets, the admin and commands."""

import uuid
from typing import Any

from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast

from detect_video import chunked_uploads
from detect_video.errors import FileGone, NotFinished, NotFound
from detect_video.models import ACTIVE, FrameResult, Rendering, State, Video
from ml_core.catalog import selection
from ml_core.errors import gettext_noop
from web.errors import TooManyUploads
from web.storage.disk import check_room
from web.storage.owners import Owner, discard_if_session_ended
from web.storage.quota import check_quota, quota_lock

NOT_UPLOADED = gettext_noop("The upload of this video is incomplete. Upload it again.")
# The fields of a job that has not been tried yet.
FRESH: dict[str, Any] = {
    "attempt": 0,
    "worked_s": 0,
    "error_code": "",
    "error": "",
    "error_parts": {},
}


def find_video(owner: Owner, video_id: uuid.UUID | str) -> Video:
    """The owner's video. Raises ``NotFound``, also for other people's videos."""
    video = Video.objects.of(owner).filter(pk=video_id).first()
    if video is None:
        raise NotFound("The video does not exist, or it does not belong to you.")
    return video


def announce_video(
    owner: Owner, *, address: str, name: str, size_bytes: int, sha256: str = "", model: str = ""
) -> tuple[Video, bool]:
    """Create the row for an upload from ``address``, or find that of the same file.

    Returns the video and whether it is new. A file that the owner has uploaded before is found by
    its SHA-256 (64 hexadecimal digits) or, without one, by name and size while its upload is
    incomplete; ``model`` then replaces that of an incomplete upload. An empty one selects the
    default detector. No storage is reserved yet. Raises ``UnknownModel``, ``TooManyUploads``,
    ``QuotaExceeded``, ``StorageFull``, ``SessionEnded``.
    """
    if model:
        selection.find("detection", model)
    with quota_lock():
        known = _same_file(owner, name, size_bytes, sha256)
        if known:
            chunked_uploads.keep_open(known, model=model or known.model)
            return known, False
        _check_open_uploads(owner, address)
        check_quota(owner, size_bytes)
        check_room(size_bytes)
        video = Video(
            user=owner.user,
            session_key=owner.session_key,
            address=address,
            name=name,
            size_bytes=size_bytes,
            sha256=sha256,
            model=model,
            state=State.UPLOADING,
        )
        video.full_clean()
        video.save()
    discard_if_session_ended(video)
    return video, True


def _same_file(owner: Owner, name: str, size_bytes: int, sha256: str) -> Video | None:
    same = Video.objects.of(owner).filter(size_bytes=size_bytes, sha256=sha256)
    if sha256:
        # A failed upload has no file that could be used again.
        same = same.exclude(state=State.FAILED, file="")
    else:
        same = same.filter(name=name, state=State.UPLOADING)
    return same.first()


def _check_open_uploads(owner: Owner, address: str) -> None:
    """Raise ``TooManyUploads`` above the limit per owner or per address.

    The limit per address applies to clients without cookies, each of whose requests has a new
    owner.
    """
    open_uploads = Video.active_uploads()
    if open_uploads.of(owner).count() >= settings.LIMITS["uploads_per_owner"]:
        raise TooManyUploads(
            gettext_noop(
                "You have {count} incomplete uploads. Complete or delete one of them first."
            ),
            count=settings.LIMITS["uploads_per_owner"],
        )
    if open_uploads.filter(address=address).count() >= settings.LIMITS["uploads_per_address"]:
        raise TooManyUploads(
            f"From your address, {settings.LIMITS['uploads_per_address']} uploads are incomplete. "
            f"Complete one of them first, or try again later."
        )


def retry_video(video: Video) -> None:
    """Queue a failed or cancelled video again; detection resumes after the last stored frame.

    Raises ``NotFinished`` if its upload was never completed.
    """
    if not video.file:
        raise NotFinished(NOT_UPLOADED)
    ended = Video.objects.filter(pk=video.pk, state__in=[State.FAILED, State.CANCELLED])
    ended.update(state=State.QUEUED, **FRESH)
    video.refresh_from_db()


def detect_again(video: Video, model: str) -> None:
    """Discard the results, and queue detection with a model, the default one if empty.

    Renderings stay; each names the model of its detections. Raises ``NotFinished`` if the upload
    is incomplete, or while detection or a rendering is in progress; ``FileGone``,
    ``UnknownModel``, ``ModelNotInstalled``, ``ModelUnusable``. Then the results are unchanged.
    """
    if not video.file:
        raise NotFinished(NOT_UPLOADED)
    if not video.source_path.exists():
        raise FileGone
    spec = selection.find("detection", model)
    selection.check_usable(spec)
    # Also excludes new renderings.
    with quota_lock():
        if video.renderings.filter(state__in=ACTIVE).exists():
            raise NotFinished(
                gettext_noop("The video is being rendered. Wait for that, or cancel the rendering.")
            )
        ended = Video.objects.filter(pk=video.pk).exclude(state__in=ACTIVE)
        # First the row, whose lock a run holds while it stores its last frames.
        if not ended.update(
            state=State.QUEUED,
            model=spec.name,
            frames_detected=0,
            detect_fps=0,
            truncated="",
            **FRESH,
        ):
            raise NotFinished(
                gettext_noop("Detection is in progress. Wait for that, or cancel it.")
            )
        video.frames.all().delete()
    video.refresh_from_db()


def keep_regions(video: Video, **regions: list[list[float]]) -> None:
    """Keep ``lines`` and ``zones``, coordinates in pixels, with the video; those not given stay."""
    if regions:
        # Only these fields: a run may be writing others.
        Video.objects.filter(pk=video.pk).update(**regions)
        video.refresh_from_db()


def request_rendering(video: Video, **options: Any) -> Rendering:
    """Queue a rendering of the video with the detections drawn in.

    ``options`` are ``codec``, ``score_threshold`` in [0, 1], ``hidden_classes`` (class ids),
    ``show_names``, ``show_scores``, ``show_tracks``, ``show_regions`` and ``language`` (of the
    class names). A cancelled or failed video is rendered up to its last detected frame. Raises
    ``NotFinished`` while detection is in progress or if no frame has a result, ``QuotaExceeded``,
    ``StorageFull``.
    """
    with quota_lock():
        # A request to detect again may have come first.
        video.refresh_from_db()
        has_ended = video.state in (State.CANCELLED, State.FAILED) and video.frames_detected
        if video.state != State.DONE and not has_ended:
            raise NotFinished(
                gettext_noop("The video can be saved once detection is complete or cancelled.")
            )
        rendering = Rendering(
            video=video,
            model=video.model,
            size_bytes=video.size_bytes,
            lines=video.lines,
            zones=video.zones,
            **options,
        )
        rendering.hidden_class_names = _class_names(video.model, rendering.hidden_classes)
        check_quota(video.owner, video.size_bytes)
        check_room(video.size_bytes)
        rendering.full_clean()
        rendering.save()
    return rendering


def _class_names(model: str, class_ids: list[int]) -> list[str]:
    """Names of a model's classes, or ``#id`` where the model no longer has the class."""
    spec = selection.models().get(model)
    labels = dict(enumerate(spec.labels if spec else ()))
    return [labels.get(class_id, f"#{class_id}") for class_id in class_ids]


def find_rendering(video: Video, rendering_id: uuid.UUID) -> Rendering:
    """A rendering of the video. Raises ``NotFound``."""
    rendering = video.renderings.filter(pk=rendering_id).first()
    if rendering is None:
        raise NotFound("This video has no such rendering.")
    return rendering


def stored_frames(video_id: uuid.UUID, *, first: int, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` stored results from frame ``first`` on.

    Each has ``frame_index``, ``pts_us`` (the file's own timestamp in µs) and ``detections``.
    """
    stored = FrameResult.objects.filter(video=video_id, frame_index__gte=first)
    fields = ["frame_index", "pts_us", "detections"]
    return [{**row} for row in stored.order_by("frame_index").values(*fields)[:limit]]


def stored_frames_json(video_id: uuid.UUID, *, first: int, limit: int) -> list[str]:
    """The same as ``stored_frames``, each as JSON, which is faster: nothing is parsed."""
    stored = FrameResult.objects.filter(video=video_id, frame_index__gte=first)
    rows = stored.annotate(text=Cast("detections", TextField())).order_by("frame_index")
    return [
        f'{{"frame_index": {frame_index}, "pts_us": {pts_us}, "detections": {text}}}'
        for frame_index, pts_us, text in rows.values_list("frame_index", "pts_us", "text")[:limit]
    ]
