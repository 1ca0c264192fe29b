"""Damaged, oversized and malicious files: each ends with a specific error."""

import json
import struct
import subprocess
import sys
from errno import EFBIG, EMFILE
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from detect_video.tests.clips import frame_number, numbered_picture, write_clip, write_tone
from detect_video.video import reader
from detect_video.video.containers import MAX_BOXES, missing_bytes
from detect_video.video.reader import ENVIRONMENT, PROJECT_DIR, VideoReader, probe, read_audio
from ml_core.errors import InvalidVideo, UnsupportedVideo

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
FASTSTART = {"movflags": "faststart"}


def numbers(path: Path) -> tuple[list[int], str]:
    """The numbers of all frames, and the description of the damage."""
    with VideoReader(path) as reader:
        return [frame_number(frame.image) for frame in reader], reader.truncated


def keep(path: Path, part: float) -> Path:
    """Truncate a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def problem(path: Path, error: type[Exception] = InvalidVideo) -> str:
    """Read the whole video and return the code of the error raised."""
    with pytest.raises(error) as caught:
        numbers(path)
    return caught.value.code


def limited(settings, **limits: int) -> None:
    settings.LIMITS = {**settings.LIMITS, **limits}


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_a_file_with_a_truncated_index_is_unreadable(tmp_path, part):
    assert problem(keep(write_clip(tmp_path / "clip.mp4"), part)) == "video_unreadable"


@pytest.mark.parametrize(
    ("name", "options"),
    [("clip.mp4", FASTSTART), ("clip.mp4", FRAGMENTED), ("clip.mkv", {}), ("clip.avi", {})],
)
@pytest.mark.parametrize("part", [0.8, 0.9])
def test_a_truncated_file_yields_its_frames_and_reports_the_truncation(
    tmp_path, name, options, part
):
    clip = write_clip(tmp_path / name, muxer_options=options, options={"bf": "0"})

    found, truncated = numbers(keep(clip, part))

    assert found == list(range(len(found)))
    assert 10 < len(found) < 30
    assert "truncated" in truncated


def test_a_file_truncated_before_its_first_frame_is_unreadable(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", muxer_options=FASTSTART)
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"mdat") + 10])

    assert problem(clip) == "video_unreadable"


@pytest.mark.parametrize("seed", range(5))
def test_damaged_frames_are_skipped_and_counted(tmp_path, seed):
    clip = write_clip(tmp_path / "clip.mp4", muxer_options=FASTSTART)
    data = bytearray(clip.read_bytes())
    random = np.random.default_rng(seed)
    # NAL unit lengths, whose damage decoders cannot conceal.
    for position in random.integers(data.index(b"mdat") + 1000, len(data) - 50, 3):
        data[position : position + 40] = random.bytes(40)
    clip.write_bytes(data)

    found, truncated = numbers(clip)

    assert 10 < len(found) <= 30
    assert len(found) == 30 or truncated


@pytest.mark.parametrize("seed", range(6))
def test_damaged_pictures_of_motion_jpeg_are_kept_and_counted(tmp_path, seed):
    """JPEG frames are independent; a damaged one is decoded as far as possible."""
    clip = write_clip(tmp_path / "clip.avi", codec="mjpeg", pixel_format="yuvj420p")
    data = bytearray(clip.read_bytes())
    random = np.random.default_rng(seed)
    picture_start = data.index(b"00dc", data.index(b"movi")) + 8
    picture = picture_start + 700
    data[picture : picture + 40] = random.bytes(40)
    clip.write_bytes(data)

    found, truncated = numbers(clip)

    assert len(found) == 30
    assert found[1:] == list(range(1, 30))
    assert truncated == "Damaged or missing parts: 1."


def test_a_header_without_frames_is_no_video(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", muxer_options=FRAGMENTED)
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moof") - 4])

    assert problem(clip) == "no_video_frames"


BOX = (8).to_bytes(4) + b"free"


@pytest.mark.parametrize("size", [2**50, 2**63 - 1, 2**64 - 1])
def test_boxes_larger_than_any_file_are_unreadable(tmp_path, size):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((1).to_bytes(4) + b"ftyp" + size.to_bytes(8) + bytes(100))

    assert problem(clip) == "video_unreadable"


def test_the_parent_process_hardly_reads_a_file_of_many_small_boxes(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((8).to_bytes(4) + b"ftyp" + 1_000_000 * BOX)
    read_before = bytes_read()

    assert problem(clip) == "video_unreadable"
    assert bytes_read() - read_before < 1_000_000


def bytes_read() -> int:
    """Bytes read by this thread, without its child processes."""
    return int(Path("/proc/thread-self/io").read_text().split()[1])


def test_at_most_the_maximum_number_of_boxes_is_parsed(tmp_path):
    cut_off = (100).to_bytes(4) + b"free"
    clip = tmp_path / "clip.mp4"
    for boxes, missing in ((MAX_BOXES, 92), (MAX_BOXES + 1, 0)):
        clip.write_bytes((boxes - 1) * BOX + cut_off)
        with clip.open("rb") as file:
            assert missing_bytes(file, "mov") == missing


def test_a_decoder_works_without_a_large_pipe(tmp_path, monkeypatch):
    """Linux limits the pipe memory of each user."""
    fcntl = pytest.importorskip("fcntl")
    control = fcntl.fcntl

    def small_pipes_only(file, command, *arguments):
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError
        return control(file, command, *arguments)

    monkeypatch.setattr(fcntl, "fcntl", small_pipes_only)

    found, _ = numbers(write_clip(tmp_path / "clip.mp4"))

    assert found == list(range(30))


def test_a_file_with_audio_only_is_no_video(tmp_path):
    assert problem(write_tone(tmp_path / "tone.mp4")) == "no_video_stream"


def test_a_video_without_audio_has_none_to_read(tmp_path):
    with pytest.raises(InvalidVideo) as caught, read_audio(write_clip(tmp_path / "clip.mp4")):
        pass
    assert caught.value.code == "no_audio_stream"


def test_an_empty_file_says_so(tmp_path):
    tmp_path.joinpath("clip.mp4").touch()

    assert problem(tmp_path / "clip.mp4") == "empty_file"


def test_a_codec_that_is_not_accepted_is_named(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", codec="mpeg2video")

    with pytest.raises(UnsupportedVideo, match="mpeg2video") as caught:
        probe(clip)
    assert caught.value.code == "codec_not_supported"


def test_a_frame_may_be_as_large_as_the_limit_in_either_orientation(tmp_path, settings):
    limited(settings, video_longer_side=160, video_shorter_side=120)
    numbers(write_clip(tmp_path / "lying.mp4"))
    numbers(write_clip(tmp_path / "standing.mp4", size_wh=(120, 160)))

    for size_wh in ((162, 120), (160, 122), (122, 160)):
        clip = write_clip(tmp_path / "larger.mp4", size_wh=size_wh)
        assert problem(clip) == "video_too_large"
    wide = write_clip(tmp_path / "wide_pixels.mp4", aspect=Fraction(4, 3))
    assert problem(wide) == "video_too_large"


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    clip = write_clip(
        tmp_path / "clip.mp4", frames=1, size_wh=(8192, 4352), options={"preset": "ultrafast"}
    )
    # Only the header is left intact; decoding would raise another error.
    data = bytearray(clip.read_bytes())
    frames = slice(data.index(b"mdat") + 4, data.rindex(b"moov") - 4)
    data[frames] = bytes(frames.stop - frames.start)
    clip.write_bytes(data)

    assert problem(clip) == "video_too_large"


def test_frames_that_grow_beyond_the_limit_are_refused(tmp_path, settings):
    limited(settings, video_longer_side=200)
    clip = write_growing(tmp_path / "clip.avi")

    with VideoReader(clip) as reader, pytest.raises(InvalidVideo) as caught:
        list(reader)
    assert caught.value.code == "video_too_large"


def test_frames_that_change_within_the_limit_keep_the_first_size(tmp_path):
    with VideoReader(write_growing(tmp_path / "clip.avi")) as reader:
        frames = list(reader)

    assert {(frame.width, frame.height) for frame in frames} == {(160, 120)}
    assert [frame_number(frame.image) for frame in frames] == list(range(10))


def write_growing(path: Path) -> Path:
    """A video whose second half has larger frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for number in range(10):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height = (160, 120) if number < 5 else (320, 240)
            encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 30)
            image = numbered_picture(number, (encoder.width, encoder.height))
            for packet in encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.stream, packet.pts, packet.dts = stream, number, number
                packet.time_base = Fraction(1, 30)
                container.mux(packet)
    return path


def test_length_and_rate_are_limited(tmp_path, settings):
    limited(settings, video_seconds=1, video_fps=30)
    numbers(write_clip(tmp_path / "clip.mp4"))

    assert problem(write_clip(tmp_path / "long.mp4", frames=31)) == "video_too_long"
    fast = write_clip(tmp_path / "fast.mp4", rate=Fraction(31))
    assert problem(fast) == "video_too_many_fps"


def test_a_length_missing_from_the_header_is_limited_too(tmp_path, settings):
    limited(settings, video_seconds=1)
    clip = write_clip(tmp_path / "clip.mp4", frames=40)
    for box, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        data = bytearray(clip.read_bytes())
        start = data.index(box) + 4 + offset
        data[start : start + 4] = struct.pack(">I", 1)
        clip.write_bytes(data)

    assert problem(clip) == "video_too_long"


def test_a_frame_count_above_the_limit_is_capped(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    data = bytearray(clip.read_bytes())
    count_start = data.index(b"stts") + 12
    data[count_start : count_start + 4] = (2**32 - 1).to_bytes(4)
    clip.write_bytes(data)

    assert probe(clip)[0].frames_hint == 600 * 61


def test_a_decoder_that_sends_nothing_for_too_long_is_killed(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(reader, "PROGRAM", "import time; time.sleep(60)")
    limited(settings, video_frame_seconds=0.01)

    assert problem(write_clip(tmp_path / "clip.mp4")) == "decode_timeout"


def test_a_decoder_that_uses_too_much_cpu_time_is_killed(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(reader, "PROGRAM", "while True: pass")
    limited(settings, video_decode_cpu_seconds=0.2)

    assert problem(write_clip(tmp_path / "clip.mp4")) == "decode_timeout"


def test_a_decoder_without_memory_ends_with_an_error(tmp_path, settings):
    limited(settings, video_decode_bytes=200 * 2**20)
    clip = write_clip(
        tmp_path / "clip.mp4", frames=9, size_wh=(4096, 2304), options={"preset": "ultrafast"}
    )

    assert problem(clip) in ("video_too_large", "video_unreadable")


def test_a_decoder_that_cannot_limit_its_own_memory_is_killed(tmp_path, settings, monkeypatch):
    """As on Windows, which has no resource limits."""
    without_limits = "import sys; sys.modules['resource'] = None; "
    monkeypatch.setattr(reader, "PROGRAM", without_limits + reader.PROGRAM)
    limited(settings, video_decode_bytes=100 * 2**20)
    clip = write_clip(
        tmp_path / "clip.mp4", frames=9, size_wh=(4096, 2304), options={"preset": "ultrafast"}
    )

    assert problem(clip) == "video_too_large"


def test_a_decoder_that_is_killed_is_an_error(tmp_path):
    # Larger than the pipe.
    clip = write_clip(tmp_path / "clip.mp4", frames=9, size_wh=(640, 480))

    with VideoReader(clip) as reader:
        next(frames := iter(reader))
        reader._decoder._process.kill()
        with pytest.raises(InvalidVideo, match="-9"):
            list(frames)


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile secret.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "text": "no video",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_are_not_accepted_under_any_name(tmp_path, kind):
    write_clip(tmp_path / "secret.mp4")
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(PLAYLISTS[kind])

    assert problem(playlist, UnsupportedVideo) == "unsupported_media_type"


def test_frames_in_external_files_are_not_read(tmp_path):
    secret = write_clip(tmp_path / "secret.mp4", muxer_options=FASTSTART)
    clip = write_reference(tmp_path / "clip.mp4", secret)
    follow = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(clip), container_options=follow) as container:
        assert len(list(container.decode(video=0))) == 30

    assert problem(clip) == "video_unreadable"


def write_reference(path: Path, target: Path) -> Path:
    """A copy of a video that refers to an external file for its frames."""
    data = target.read_bytes()
    name = bytes(target) + bytes(len(bytes(target)) % 2)
    alias = bytes(130) + struct.pack(">hh", -1, -1) + bytes(16)
    alias += struct.pack(">hh", 2, len(name)) + name + struct.pack(">hh", -1, 0)
    data = data.replace(
        struct.pack(">I4sI", 12, b"url ", 1),
        struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias,
    )
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(box) - 4
        size = int.from_bytes(data[start : start + 4]) + len(alias)
        data = data[:start] + size.to_bytes(4) + data[start + 4 :]
    path.write_bytes(data[: data.index(b"mdat") - 4])
    return path


def test_the_decoder_cannot_open_or_write_files(tmp_path, settings):
    pytest.importorskip("resource")
    program = """
import json, os, socket, sys
sys.path.append(sys.argv[1])
from detect_video.video.decoder import lock_down
lock_down(json.loads(sys.argv[2]))
for attempt in (
    lambda: open("/etc/passwd"),
    lambda: socket.socket(),
    lambda: os.pipe(),
    lambda: os.write(int(sys.argv[3]), b"more"),
):
    try:
        attempt()
    except OSError as exc:
        print(exc.errno)
"""
    with tmp_path.joinpath("file").open("wb") as file:
        arguments = [str(PROJECT_DIR), json.dumps(settings.LIMITS), str(file.fileno())]
        done = subprocess.run(
            [sys.executable, "-I", "-c", program, *arguments],
            env=ENVIRONMENT,
            capture_output=True,
            pass_fds=[file.fileno()],
            check=True,
        )

    assert [int(line) for line in done.stdout.split()] == [EMFILE, EMFILE, EMFILE, EFBIG]
