"""The tasks of claimed jobs. Any process may run them: the row holds all of their state."""

import logging
import time
from threading import Event

import numpy as np
from django.conf import settings
from django.utils.translation import gettext, override

from detect_video.errors import RunLost
from detect_video.exports import DetectionsByTime, TrackIds
from detect_video.jobs.pipeline import Found, detect_frames, open_frames
from detect_video.models import MAX_ATTEMPTS, FrameResult, Rendering, State, Video
from detect_video.tracks import tracked
from detect_video.video.rendering import CODECS, render_video
from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.errors import EngineUnavailable, ModelLoading, NotPublished
from ml_core.pictures.track_drawing import Overlay
from ml_core.results import Detection
from ml_core.tracking.overlay import LINE_TEXT, ZONE_TEXT, VideoOverlay
from ml_core.tracking.tracks import ids_by_frame
from web.rest.serializers import boxes_as_json
from web.storage.disk import check_room, delete_file
from web.storage.quota import check_quota
from web.streams import opened

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.5
# Between two looks whether the model can be used.
WAIT_S = 0.5
# A cluster that starts, or gets new models, does not know all of them at first.
UNPUBLISHED_S = 30
# Before the next attempt, which opens the video again.
RETRY_S = 2


def run_detection(video: Video, stop: Event) -> None:
    """Run detection on the frames of a claimed video that have no result yet.

    Results are stored as soon as they are available. While the cluster that runs the model is
    away, the video waits. Raises ``VisionError``, or ``RunLost`` when the run was ended or ``stop``
    is set.
    """
    if not video.model:
        video.checkpoint(model=selection.default_model("detection").name)
    while True:
        _wait_for_model(video, stop)
        try:
            truncated = _detect_rest(video, stop)
        except EngineUnavailable as exc:
            logger.warning("Video %s waits: %s", video.pk, exc)
            if _is_cluster_away(video):
                # No attempt: it was not the video that failed.
                video.checkpoint(attempt=max(0, video.attempt - 1))
            elif video.attempt >= MAX_ATTEMPTS:
                raise
            stop.wait(RETRY_S)
        else:
            video.end_run(State.DONE, truncated=truncated)
            return


def _detect_rest(video: Video, stop: Event) -> str:
    """Detect in the frames after the last stored one; why the file ends early, or empty."""
    last = video.frames.order_by("frame_index").last()
    queue_key = f"video {video.pk}"
    stored_before, started = video.frames_detected, time.monotonic()
    after_us = last.pts_us if last else None
    with (
        open_frames(video.source_path, model=video.model, after_pts_us=after_us) as reader,
        opened("video", video.owner) as stream,
    ):
        video.begin_attempt()
        size_wh = reader.info.width, reader.info.height
        for found in detect_frames(
            reader, resolution_wh=size_wh, model=video.model, queue_key=queue_key, stop=stop
        ):
            stream.count_done(len(found))
            rows = _frame_results(video, found)
            frames = video.frames_detected + len(rows) - stored_before
            video.store_frames(rows, detect_fps=frames / (time.monotonic() - started))
    return reader.truncated


def _is_cluster_away(video: Video) -> bool:
    """Whether the cluster cannot run the model for anybody, rather than for this video."""
    try:
        model_pool.check_answering("detection", video.model)
    except EngineUnavailable:
        return True
    return False


def _wait_for_model(video: Video, stop: Event) -> None:
    """Wait until the model is loaded and can be reached, and mark the video meanwhile.

    Raises ``VisionError``, or ``RunLost``; ``NotPublished`` if the cluster still does not have the
    model after a while.
    """
    last_try_s = time.monotonic() + UNPUBLISHED_S
    while not stop.is_set():
        try:
            model_pool.wait_until_loaded("detection", video.model)
            model_pool.check_answering("detection", video.model)
        except (ModelLoading, EngineUnavailable) as exc:
            if not isinstance(exc, NotPublished):
                last_try_s = time.monotonic() + UNPUBLISHED_S
            elif time.monotonic() >= last_try_s:
                raise
            video.checkpoint(is_loading=True)
            stop.wait(WAIT_S)
        else:
            video.checkpoint(is_loading=False)
            return
    raise RunLost


def _frame_results(video: Video, found: list[Found]) -> list[FrameResult]:
    return [
        FrameResult(
            video=video,
            frame_index=index,
            pts_us=frame.pts_us,
            detections=boxes_as_json(detections.detections),
        )
        for index, (frame, detections) in enumerate(found, start=video.frames_detected)
    ]


def run_rendering(rendering: Rendering, stop: Event) -> None:
    """Write the file of a claimed rendering. Raises the errors of ``run_detection``."""
    video = rendering.video
    # Earlier renderings may have outgrown their estimated size since this one was requested.
    check_quota(video.owner, 0)
    last = video.frames.order_by("frame_index").last()
    # A file per run: a run that was taken over may still be writing.
    target = rendering.folder / f"{rendering.pk}-{rendering.run_id}{CODECS[rendering.codec]}"
    has_overlay = rendering.show_tracks or rendering.show_regions
    track_ids, drawn = _drawn_tracks(rendering) if has_overlay else (None, None)
    find = DetectionsByTime(
        video,
        rendering.score_threshold,
        rendering.hidden_classes,
        track_ids=track_ids if rendering.show_tracks else None,
    )
    due = 0.0
    frames_done = 0
    furthest = rendering.frames_done

    def detections(pts_us: int) -> list[Detection]:
        # Only from the furthest frame on may the next frame be what crashes the run.
        if frames_done == furthest:
            rendering.begin_attempt()
        return find(pts_us)

    def overlay(pts_us: int) -> Overlay | None:
        return drawn.at(pts_us / 1_000_000) if drawn else None

    def on_frame(frames: int) -> None:
        nonlocal due, frames_done
        frames_done = frames
        if time.monotonic() >= due:
            # Every run starts at the first frame; only frames beyond the furthest are progress.
            is_further = frames > rendering.frames_done
            further = {"frames_done": frames, "attempt": 0} if is_further else {}
            # Raises RunLost if the rendering was cancelled.
            rendering.checkpoint(**further)
            due = time.monotonic() + PROGRESS_EVERY_S

    def on_size(size_bytes: int) -> None:
        # The requested size was an estimate; once larger, the actual size counts.
        rendering.checkpoint(size_bytes=max(size_bytes, rendering.size_bytes))
        check_quota(video.owner, 0)
        check_room(0)

    render_video(
        video.source_path,
        target,
        detections,
        until_us=last.pts_us if last else None,
        codec=rendering.codec,
        show_names=rendering.show_names,
        show_scores=rendering.show_scores,
        language=rendering.language,
        overlay_by_pts_us=overlay,
        on_frame=on_frame,
        on_size=on_size,
    )
    name = target.relative_to(settings.MEDIA_ROOT).as_posix()
    size_bytes = target.stat().st_size
    try:
        rendering.end_run(State.DONE, file=name, frames_done=frames_done, size_bytes=size_bytes)
    except RunLost:
        target.unlink()
        raise
    for left in rendering.folder.glob(f"{rendering.pk}-*"):
        if left != target:
            delete_file(left)


def _drawn_tracks(rendering: Rendering) -> tuple[TrackIds, VideoOverlay]:
    """The track ids of the detections by frame, and what is drawn of the tracks."""
    found, ids = tracked(rendering.video, rendering.score_threshold)
    ids = np.where(np.isin(found.class_ids, rendering.hidden_classes), 0, ids)
    with override(rendering.language):
        overlay = VideoOverlay(
            found,
            ids,
            lines=rendering.lines if rendering.show_regions else [],
            zones=rendering.zones if rendering.show_regions else [],
            has_tails=rendering.show_tracks,
            line_text=gettext(LINE_TEXT),
            zone_text=gettext(ZONE_TEXT),
        )
    return ids_by_frame(found, ids), overlay
