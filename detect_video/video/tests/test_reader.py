"""Frames and timestamps, compared with PyAV decoding the same file in this process."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from PIL import Image

from detect_video.tests.clips import frame_number, trim_start, write_clip
from detect_video.video.decoder import upright_picture
from detect_video.video.reader import VideoReader, probe, read_audio, read_times_us

FRAMES = 30
CLIPS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.mov": {},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:bframes=3"}},
    "h264_10_bit.mp4": {"pixel_format": "yuv420p10le"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "10"}},
    "variable_rate.mp4": {"times_ms": [n * 33 + n // 10 * 40 for n in range(FRAMES)]},
    "late_start.mp4": {"times_ms": [500 + n * 40 for n in range(FRAMES)]},
    "fragmented.mp4": {"muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
    "long_last_frame.mp4": {"times_ms": [*range(0, 29 * 40, 40), 5000]},
    "sound.mp4": {"audio": "aac"},
}


def read(path: Path, **options: int) -> list[tuple[int, int]]:
    """The number and timestamp of each frame of an undamaged file."""
    with VideoReader(path, **options) as reader:
        frames = [(frame_number(frame.image), frame.pts_us) for frame in reader]
    assert reader.truncated == ""
    return frames


@pytest.fixture(params=CLIPS, scope="module")
def clip(request, tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / request.param, **CLIPS[request.param])


@pytest.fixture(scope="module")
def everything(clip):
    """The number and timestamp of each frame of the clip."""
    return read(clip)


def test_every_frame_comes_once_with_the_pixels_and_the_time_of_the_file(clip):
    with av.open(str(clip)) as container:
        expected = [
            (round(frame.pts * frame.time_base * 1_000_000), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]

    with VideoReader(clip) as reader:
        frames = list(reader)

    assert [frame_number(frame.image) for frame in frames] == list(range(FRAMES))
    assert [frame.pts_us for frame in frames] == [pts_us for pts_us, _ in expected]
    for frame, (_, image) in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert reader.truncated == ""
    assert (reader.info.width, reader.info.height) == (160, 120)


def test_reading_goes_on_after_any_frame(clip, everything):
    for index in (0, 9, 10, 14, FRAMES - 1):
        assert read(clip, after_pts_us=everything[index][1]) == everything[index + 1 :]


def test_a_timestamp_before_the_start_yields_all_frames(clip, everything):
    assert read(clip, after_pts_us=-1) == everything


def test_timestamps_are_read_without_decoding(clip, everything):
    assert read_times_us(clip) == [pts_us for _, pts_us in everything]


def test_frames_trimmed_by_an_edit_list_are_skipped(tmp_path):
    clip = trim_start(write_clip(tmp_path / "clip.mp4"), Fraction(12, 30))

    frames = read(clip)

    assert [number for number, _ in frames] == list(range(12, FRAMES))
    assert read(clip, after_pts_us=frames[3][1]) == frames[4:]
    assert read_times_us(clip) == [pts_us for _, pts_us in frames]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_are_rotated_upright(tmp_path, rotation):
    clip = write_clip(tmp_path / "clip.mp4", rotation=rotation)

    with VideoReader(clip) as reader:
        frames = list(reader)

    assert (reader.info.width, reader.info.height) == (160, 120)
    assert [frame_number(frame.image) for frame in frames] == list(range(FRAMES))


def test_pixels_become_square(tmp_path):
    with VideoReader(write_clip(tmp_path / "clip.mp4", aspect=Fraction(4, 3))) as reader:
        frame = next(iter(reader))

    assert (reader.info.width, reader.info.height) == (213, 120)
    assert frame.image.shape == (120, 213, 3)


def test_jpeg_pictures_are_scaled_down_only(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", rotation=90, size_wh=(320, 240))

    for side, size_wh in ((160, (160, 120)), (4000, (320, 240))):
        with VideoReader(clip, side=side, as_jpeg=True) as reader:
            frames = list(reader)
        assert (reader.info.width, reader.info.height) == (320, 240)
        for number, frame in enumerate(frames):
            picture = Image.open(BytesIO(frame.data))
            assert picture.format == "JPEG"
            assert picture.size == (frame.width, frame.height) == size_wh
            assert frame_number(np.array(picture)) == number


@pytest.mark.parametrize(
    ("options", "size_wh"),
    [
        ({"side": 162}, (162, 121)),
        ({"side": 4000}, (320, 240)),
        ({"stretched_to": (96, 96)}, (96, 96)),
        ({"stretched_to": (96, 4000)}, (96, 240)),
    ],
)
def test_frames_are_scaled_down_to_the_size_in_which_a_network_sees_them(
    tmp_path, options, size_wh
):
    clip = write_clip(tmp_path / "clip.mp4", size_wh=(320, 240))

    with VideoReader(clip, **options) as reader:
        frames = list(reader)

    assert (reader.info.width, reader.info.height) == (320, 240)
    assert {frame.image.shape for frame in frames} == {(size_wh[1], size_wh[0], 3)}
    assert [frame_number(frame.image) for frame in frames] == list(range(FRAMES))


def test_each_column_of_a_small_frame_has_a_colour_of_its_own():
    stripes = np.zeros((240, 320, 3), np.uint8)
    is_red = np.arange(320) // 4 % 2 == 1
    stripes[:, is_red, 0] = stripes[:, ~is_red, 2] = 255
    frame = av.VideoFrame.from_ndarray(stripes, format="rgb24").reformat(format="yuv420p")

    image = upright_picture(frame, (80, 60)).to_ndarray().astype(int)

    reds, blues = image[:, 1:-1:2], image[:, 2:-1:2]
    assert reds[..., 0].min() - blues[..., 0].max() > 200
    assert blues[..., 2].min() - reds[..., 2].max() > 200


def test_the_header_has_the_metadata(tmp_path):
    info, _ = probe(write_clip(tmp_path / "clip.mp4", audio="aac", rate=Fraction(30000, 1001)))

    assert (info.rate, info.frames_hint, info.codec) == (Fraction(30000, 1001), FRAMES, "h264")
    assert info.has_audio
    assert info.duration_s == pytest.approx(1.001, abs=0.001)


def test_audio_has_timestamps(tmp_path):
    with read_audio(write_clip(tmp_path / "clip.mp4", audio="aac")) as sound:
        blocks = list(sound)

    assert (sound.sample_rate, sound.channels) == (48_000, 1)
    samples = np.concatenate([samples for _, samples in blocks])
    assert len(samples) == pytest.approx(48_000, abs=1024)
    assert samples.std() == pytest.approx(8000 / 2**0.5, rel=0.05)
    assert blocks[10][0] == pytest.approx(10 * 1024 / 48_000 * 1e6, abs=1)


def test_closing_ends_a_reader_that_another_thread_waits_for(tmp_path):
    reader = VideoReader(write_clip(tmp_path / "clip.mp4", frames=100, size_wh=(640, 480)))
    frames = iter(reader)
    next(frames)
    closing = Thread(target=reader.close)
    closing.start()

    assert len(list(frames)) < 99
    closing.join()
    assert list(reader) == []


def test_a_video_of_a_camera_is_read(shared_dir):
    path = shared_dir / "samples" / "library.mp4"
    if not path.exists():
        pytest.skip("no sample video")

    with VideoReader(path) as reader:
        times_us = [frame.pts_us for frame in reader]

    assert (reader.info.width, reader.info.height) == (720, 1280)
    assert len(times_us) == reader.info.frames_hint == 69
    assert times_us == read_times_us(path)
    assert reader.truncated == ""
