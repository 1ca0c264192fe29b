"""What the video stage does, for views, sockets, the admin and commands alike."""

import uuid
from typing import Any

from django.conf import settings

from detect_video import chunked_uploads
from detect_video.errors import NotFinished, NotFound, TooManyUploads
from detect_video.models import FrameResult, Rendering, State, Video
from ml_core import engine
from ml_core.catalog import installed
from web.keeping.owners import Owner, discard_if_session_ended
from web.keeping.quota import check_quota, quota_lock
from web.keeping.storage import check_room


def find_video(owner: Owner, video_id: uuid.UUID | str) -> Video:
    """The owner's video. Raises ``NotFound``, for other people's videos, too."""
    video = Video.objects.of(owner).filter(pk=video_id).first()
    if video is None:
        raise NotFound("The video does not exist, or it does not belong to you.")
    return video


def announce_video(
    owner: Owner, *, address: str, name: str, size_bytes: int, sha256: str = "", model: str = ""
) -> tuple[Video, bool]:
    """The row that an upload from ``address`` goes to, and whether it is new.

    A file that the owner has sent before is recognised by its SHA-256 (64 hexadecimal digits);
    without one, by its name and size as long as its upload is unfinished. ``model`` may be empty
    for the default detector. Nothing is reserved for it but the row. Raises ``UnknownModel``,
    ``TooManyUploads``, ``QuotaExceeded``, ``StorageFull``, ``SessionEnded``.
    """
    if model:
        installed.find_model(engine.models(), "detection", model)
    with quota_lock():
        known = _same_file(owner, name, size_bytes, sha256)
        if known:
            chunked_uploads.keep_open(known)
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
        # One that failed before it was complete has nothing to be found for.
        same = same.exclude(state=State.FAILED, file="")
    else:
        same = same.filter(name=name, state=State.UPLOADING)
    return same.first()


def _check_open_uploads(owner: Owner, address: str) -> None:
    """Raise ``TooManyUploads``. A program without cookies is another owner each time."""
    open_uploads = Video.objects.filter(state=State.UPLOADING).exclude(chunked_uploads.given_up())
    if open_uploads.of(owner).count() >= settings.LIMITS["uploads_per_owner"]:
        raise TooManyUploads(
            f"You have {settings.LIMITS['uploads_per_owner']} incomplete uploads. Complete or "
            f"delete one of them first."
        )
    if open_uploads.filter(address=address).count() >= settings.LIMITS["uploads_per_address"]:
        raise TooManyUploads(
            f"From your address, {settings.LIMITS['uploads_per_address']} uploads are incomplete. "
            f"Complete one of them first, or try again later."
        )


def retry_video(video: Video) -> None:
    """Queue a failed or cancelled video again; it goes on after the last kept frame.

    Raises ``NotFinished`` when its file never became complete.
    """
    if not video.file:
        raise NotFinished("The upload of this video is incomplete. Upload it again.")
    ended = Video.objects.filter(pk=video.pk, state__in=[State.FAILED, State.CANCELLED])
    ended.update(state=State.QUEUED, attempt=0, worked_s=0, error_code="", error="")
    video.refresh_from_db()


def request_rendering(video: Video, **options: Any) -> Rendering:
    """Queue the rendering of a video file with the detections drawn in.

    ``options`` are ``codec``, ``score_threshold`` in [0, 1], ``hidden_classes`` (class ids),
    ``show_names``, ``show_scores`` and ``language`` (of the names). What was cancelled or failed
    is saved up to the last frame that was detected. Raises ``NotFinished`` while there may be more
    or nothing is detected, ``QuotaExceeded``, ``StorageFull``.
    """
    has_ended = video.state in (State.CANCELLED, State.FAILED) and video.frames_detected
    if video.state != State.DONE and not has_ended:
        raise NotFinished("The video can be saved once detection is complete or cancelled.")
    rendering = Rendering(video=video, size_bytes=video.size_bytes, **options)
    rendering.hidden_class_names = _class_names(video.model, rendering.hidden_classes)
    with quota_lock():
        check_quota(video.owner, video.size_bytes)
        check_room(video.size_bytes)
        rendering.full_clean()
        rendering.save()
    return rendering


def _class_names(model: str, class_ids: list[int]) -> list[str]:
    """The names of a model's classes; numbers where they cannot be known any more."""
    spec = engine.models().get(model)
    labels = dict(enumerate(spec.labels if spec else ()))
    return [labels.get(class_id, f"#{class_id}") for class_id in class_ids]


def find_rendering(video: Video, rendering_id: uuid.UUID) -> Rendering:
    """A rendering of the video. Raises ``NotFound``."""
    rendering = video.renderings.filter(pk=rendering_id).first()
    if rendering is None:
        raise NotFound("This video has no such export.")
    return rendering


def kept_frames(video_id: uuid.UUID, *, first: int, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` results from frame ``first`` on, each with its ``frame_index``,
    ``pts_us`` (µs, the file's own time stamp) and ``detections``."""
    kept = FrameResult.objects.filter(video=video_id, frame_index__gte=first)
    fields = ["frame_index", "pts_us", "detections"]
    return [{**row} for row in kept.order_by("frame_index").values(*fields)[:limit]]
