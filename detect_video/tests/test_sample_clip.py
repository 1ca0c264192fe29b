"""The sample clip of the video and camera pages."""

from collections import Counter
from pathlib import Path

import av
import pytest
from django.conf import settings

from ml_core import engine

CLIP = Path(settings.BASE_DIR) / "static" / "samples" / "street.mp4"


def test_every_browser_can_play_the_sample_clip_while_it_is_loading():
    data = CLIP.read_bytes()
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        codec, pixel_format = stream.codec_context.name, stream.codec_context.pix_fmt
        size, seconds = (stream.width, stream.height), container.duration / av.time_base

    assert (codec, pixel_format, size) == ("h264", "yuv420p", (640, 360))
    assert len(data) < 500_000
    assert 5 <= seconds <= 8
    # The index comes before the frames.
    assert data.index(b"moov") < data.index(b"mdat")


def test_objects_are_found_in_most_frames_of_the_sample_clip(real_detector):
    found: Counter[str] = Counter()
    with av.open(str(CLIP)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][::5]
    for frame in frames:
        detections = engine.detect(frame, score_threshold=0.35).detections
        found.update({detection.class_name for detection in detections})

    assert found["car"] > 0.8 * len(frames)
    assert {"person", "bicycle", "stop sign"} <= set(found)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/detect-video/", "/detect-camera/"])
def test_the_pages_offer_the_sample_clip(client, path, toy_detector):
    assert "/static/samples/street.mp4" in client.get(path).content.decode()
