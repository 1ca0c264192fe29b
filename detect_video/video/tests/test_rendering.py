"""Rendered videos, decoded again frame by frame."""

from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from detect_video.tests.clips import frame_number, write_clip
from detect_video.video.reader import VideoReader, read_audio
from detect_video.video.rendering import CODECS, constant_rate, render_video
from ml_core.pictures.drawing import class_colour
from ml_core.results import Detection

SOURCES = {
    "sound.mp4": {"audio": "aac"},
    "ntsc.mp4": {"rate": Fraction(30000, 1001)},
    "milliseconds.mkv": {"rate": Fraction(30000, 1001)},
    "late_start.mp4": {"times_ms": [500 + n * 40 for n in range(30)], "rate": Fraction(25)},
    "odd_size.mp4": {"size_wh": (161, 121), "pixel_format": "yuv444p"},
    "rotated.mp4": {"rotation": 90},
    "wide_pixels.mp4": {"aspect": Fraction(4, 3)},
}


def render(source: Path, codec: str, detections=lambda pts_us: (), **options) -> Path:
    target = source.with_name(f"rendered_{codec}{CODECS[codec]}")
    render_video(source, target, detections, codec=codec, **options)
    return target


def numbered(path: Path) -> list[tuple[int, int]]:
    return numbers_and_size(path)[0]


def numbers_and_size(path: Path) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    with VideoReader(path) as reader:
        frames = [(frame_number(frame.image), frame.pts_us) for frame in reader]
        return frames, (reader.info.width, reader.info.height)


@pytest.fixture(params=SOURCES, scope="module")
def source(request, tmp_path_factory):
    """A clip, its numbers and its size."""
    path = tmp_path_factory.mktemp("source") / request.param
    write_clip(path, **SOURCES[request.param])
    return path, *numbers_and_size(path)


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_is_written_once_at_its_time(source, codec):
    path, before, (width, height) = source

    after, (new_width, new_height) = numbers_and_size(render(path, codec))

    assert [number for number, _ in after] == list(range(30))
    for (_, pts_us), (_, source_us) in zip(after, before, strict=True):
        assert pts_us == pytest.approx(source_us - before[0][1], abs=1000)
    assert width <= new_width <= width + 1
    assert height <= new_height <= height + 1


@pytest.mark.parametrize(("codec", "tag"), [("mjpg", "MJPG"), ("xvid", "XVID"), ("h264", "avc1")])
def test_the_codec_tag_is_known_to_players(tmp_path, codec, tag):
    target = render(write_clip(tmp_path / "clip.mp4"), codec)

    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.codec_tag == tag


@pytest.mark.parametrize("codec", CODECS)
def test_a_varying_rate_becomes_a_constant_one_of_the_same_length(tmp_path, codec):
    times_ms = [n * 40 + n // 10 * 400 for n in range(30)]
    source = write_clip(tmp_path / "clip.mp4", times_ms=times_ms)

    frames = numbered(render(source, codec))

    assert {pts_us for _, pts_us in frames} == {n * 40_000 for n in range(30 + 2 * 10)}
    assert [number for number, _ in groupby(number for number, _ in frames)] == list(range(30))
    first_shown_ms = [next(us for n, us in frames if n == number) // 1000 for number in range(30)]
    assert first_shown_ms == times_ms


@pytest.mark.parametrize("codec", CODECS)
def test_the_audio_is_kept(tmp_path, codec):
    source = write_clip(tmp_path / "clip.mp4", audio="aac", frames=60)

    with read_audio(render(source, codec)) as sound:
        blocks = list(sound)

    samples = np.concatenate([samples for _, samples in blocks])
    assert len(samples) / sound.sample_rate == pytest.approx(2, abs=0.05)
    assert samples.std() == pytest.approx(8000 / 2**0.5, rel=0.05)
    assert blocks[0][0] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_detections_are_drawn_on_their_frame(tmp_path, codec):
    source = write_clip(tmp_path / "clip.mp4", size_wh=(320, 240))
    times_us = [pts_us for _, pts_us in numbered(source)]

    def detections(pts_us: int) -> list[Detection]:
        left = 8 * times_us.index(pts_us)
        return [Detection((left, 40, left + 40, 120), 0, "tomato", 0.9)]

    target = render(source, codec, detections, show_names=False, show_scores=False)

    with VideoReader(target) as reader:
        for number, frame in enumerate(reader):
            edge = frame.image[60:100, 8 * number : 8 * number + 2].mean((0, 1))
            assert np.abs(edge - class_colour(0)).max() < 60


def test_progress_is_reported_and_stopping_leaves_no_files(tmp_path):
    source = write_clip(tmp_path / "clip.mp4", audio="aac")
    told: list[int] = []

    def stop(frames_done: int) -> None:
        told.append(frames_done)
        if frames_done == 7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        render(source, "mjpg", on_frame=stop)

    assert told == [1, 2, 3, 4, 5, 6, 7]
    assert list(tmp_path.iterdir()) == [source]


def test_a_failed_rendering_leaves_the_former_file(tmp_path):
    source = write_clip(tmp_path / "clip.mp4")
    target = render(source, "mjpg")
    former = target.read_bytes()

    with pytest.raises(ZeroDivisionError):
        render(source, "mjpg", lambda pts_us: 1 // 0)

    assert target.read_bytes() == former
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("codec", CODECS)
def test_a_sparse_video_is_saved_at_its_duration(tmp_path, codec):
    times_ms = [0, 2500, 5000, 30_000]
    source = write_clip(tmp_path / "clip.mp4", frames=4, times_ms=times_ms)

    after = numbered(render(source, codec))

    first_us = [next(group)[1] for _, group in groupby(after, key=lambda frame: frame[0])]
    assert first_us == pytest.approx([time_ms * 1000 for time_ms in times_ms], abs=50_000)
    assert after[-1][1] == pytest.approx(30_000_000, abs=100_000)


@pytest.mark.parametrize("codec", CODECS)
def test_a_regular_video_of_few_pictures_keeps_each_once(tmp_path, codec):
    times_ms = [0, 2500, 5000, 7500]
    source = write_clip(tmp_path / "clip.mp4", frames=4, times_ms=times_ms)

    assert numbered(render(source, codec)) == [
        (number, time_ms * 1000) for number, time_ms in enumerate(times_ms)
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_a_partial_rendering_has_the_audio_of_that_part(tmp_path, codec):
    source = write_clip(tmp_path / "clip.mp4", frames=60, audio="aac")
    until_us = numbered(source)[19][1]

    target = render(source, codec, until_us=until_us)

    assert [number for number, _ in numbered(target)] == list(range(20))
    with read_audio(target) as sound:
        samples = sum(len(samples) for _, samples in sound)
    assert samples / 48_000 == pytest.approx(20 / 30, abs=0.1)


PHONE_TIMES_US = [0, *(54_680 + number * 33_320 for number in range(68))]


@pytest.mark.parametrize(
    ("times_us", "mean_rate", "expected"),
    [
        ([0], Fraction(25), (Fraction(25), True)),
        ([0, 33_333, 66_667], Fraction(30), (Fraction(30), True)),
        ([0, 33_000, 67_000, 100_000], Fraction(30000, 1001), (Fraction(30000, 1001), True)),
        # A single long step at the start, as in phone videos.
        (PHONE_TIMES_US, Fraction(2973, 100), (Fraction(2973, 100), True)),
        # A long last frame lowers the average rate, but not the steps.
        ([n * 40_000 for n in range(50)], Fraction(20), (Fraction(25), True)),
        ([0, 40_000, 80_000, 400_000], Fraction(8), (Fraction(25), False)),
        ([0, 1_000, 400_000], Fraction(8), (Fraction(60), False)),
        ([0, 2_500_000, 5_000_000, 30_000_000], Fraction(2, 15), (Fraction(10), False)),
        ([0, 120_000, 1_000_000], Fraction(6), (Fraction(10), False)),
        # MPEG-4 encoders accept denominators up to 65,535.
        ([0, 33_344, 66_687], Fraction(90001, 3001), (Fraction(6208, 207), True)),
    ],
)
def test_the_rate_gives_each_picture_a_place(times_us, mean_rate, expected):
    assert constant_rate(times_us, mean_rate) == expected


def test_names_are_drawn_in_the_requested_language(tmp_path):
    source = write_clip(tmp_path / "clip.mp4")
    dog = Detection(box=(20.0, 60.0, 150.0, 110.0), class_id=16, class_name="dog", score=0.9)

    def first_frame(language: str) -> np.ndarray:
        target = render(source, "mjpg", lambda pts_us: [dog], language=language)
        with VideoReader(target) as reader:
            return next(iter(reader)).image.astype(int)

    assert np.abs(first_frame("zh-hans") - first_frame("en")).max() > 100
