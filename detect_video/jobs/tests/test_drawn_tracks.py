"""Saved videos that show tracks, lines and zones."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from detect_video.jobs.tests.test_jobs import done_video, rendering_of, work_off
from detect_video.models import State, Video
from detect_video.tests.clips import write_clip
from ml_core.pictures.drawing import class_colour
from ml_core.tests.toy_network import RED

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


def still_clip(path: Path) -> bytes:
    """A clip of 10 frames in which a "tomato" stays in its cell."""
    cells = {(0, 0): RED}
    size = {"frames": 10, "size_wh": (96, 96), "rate": Fraction(10), "pixel_format": "yuv444p"}
    return write_clip(path, cells=lambda frame_index: cells, **size).read_bytes()


def test_a_rendering_shows_tracks_and_counts_of_what_is_not_hidden(tmp_path):
    video = done_video(still_clip(tmp_path / "clip.mp4"))
    Video.objects.filter(pk=video.pk).update(zones=[[0, 0, 96, 0, 96, 60, 0, 60]])
    both = {"show_tracks": True, "show_regions": True}
    shown = rendering_of(video, **both, language="zh-hans")
    hidden = rendering_of(video, **both, hidden_classes=[0])
    work_off()

    pictures = []
    for rendering in (shown, hidden):
        rendering.refresh_from_db()
        assert (rendering.state, rendering.error) == (State.DONE, "")
        with av.open(rendering.file.path) as container:
            *_, last = container.decode(video=0)
        pictures.append(last.to_ndarray(format="rgb24").astype(int))

    # The left edge of the box, in the colour of track 1; the zone's border at its lower end.
    edges = [abs(picture[5:28, 0:2] - class_colour(1)).max(axis=2).min() for picture in pictures]
    assert edges[0] < 40 < edges[1]
    assert all(picture[60, 3:10].min() > 180 for picture in pictures)


def test_tracks_and_regions_are_shown_separately(tmp_path):
    video = done_video(still_clip(tmp_path / "clip.mp4"))
    Video.objects.filter(pk=video.pk).update(zones=[[0, 0, 96, 0, 96, 60, 0, 60]])
    tracks, regions = rendering_of(video, show_tracks=True), rendering_of(video, show_regions=True)
    work_off()

    for rendering, edge, has_zone in ((tracks, 1, False), (regions, 0, True)):
        rendering.refresh_from_db()
        with av.open(rendering.file.path) as container:
            *_, last = container.decode(video=0)
        picture = last.to_ndarray(format="rgb24").astype(int)
        assert abs(picture[5:28, 0:2] - class_colour(edge)).max(axis=2).min() < 40
        assert (picture[60, 3:10].min() > 180) == has_zone
