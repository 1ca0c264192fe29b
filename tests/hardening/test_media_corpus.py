"""Damaged pictures and videos cause no server error and leave no files or processes behind."""

import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from detect_video.tests.clips import write_clip
from tests.conftest import Server
from tests.hardening.client import Client, tracebacks

PICTURE_FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "ICO", "PPM"]
CLIPS = {
    "h264.mp4": "libx264",
    "mpeg4.mov": "mpeg4",
    "h264.mkv": "libx264",
    "vp9.webm": "libvpx-vp9",
    "mjpeg.avi": "mjpeg",
}
DAMAGED_PICTURES = 60
DAMAGED_VIDEOS = 24

Damage = Callable[[bytearray, random.Random], bytearray]


def truncate(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(1, len(data))]


def flip_bits(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def damage_the_beginning(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(4):
        data[chance.randrange(min(200, len(data)))] = chance.randrange(256)
    return data


def write_extreme_numbers(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(max(1, len(data) - 8))
    number = chance.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**50, 2**63 - 1, 2**64 - 1])
    data[start : start + 8] = number.to_bytes(8, chance.choice(["big", "little"]))
    return data


def repeat_a_part(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randrange(1, 2000))
    return data[:end] + data[start:end] * chance.randrange(1, 50) + data[end:]


def zero_a_part(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randrange(1, 5000))
    data[start:end] = bytes(end - start)
    return data


DAMAGES: list[Damage] = [
    truncate,
    flip_bits,
    damage_the_beginning,
    write_extreme_numbers,
    repeat_a_part,
    zero_a_part,
]


def damaged(data: bytes, count: int, seed: str) -> Iterator[bytes]:
    """``count`` copies of a file, each damaged once or twice."""
    chance = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for damage in chance.sample(DAMAGES, chance.choice([1, 1, 2])):
            copy = damage(copy, chance)
        yield bytes(copy)


@pytest.fixture(scope="module")
def valid_pictures() -> dict[str, bytes]:
    picture = Image.radial_gradient("L").resize((320, 240)).convert("RGB")
    files = {}
    for name in PICTURE_FORMATS:
        output = io.BytesIO()
        picture.save(output, name)
        files[name] = output.getvalue()
    return files


@pytest.fixture(scope="module")
def valid_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder: Path = tmp_path_factory.mktemp("clips")
    pixel_formats = {"mjpeg": "yuvj420p"}
    return {
        name: write_clip(
            folder / name, codec=codec, pixel_format=pixel_formats.get(codec, "yuv420p")
        ).read_bytes()
        for name, codec in CLIPS.items()
    }


def test_damaged_pictures_are_answered_without_a_server_error(
    own_server: Server, valid_pictures: dict[str, bytes], picture: bytes
) -> None:
    client = Client(own_server)
    statuses: Counter[int] = Counter()

    for name, data in valid_pictures.items():
        for number, copy in enumerate(damaged(data, DAMAGED_PICTURES, name)):
            send = client.detect if number % 2 else client.classify
            answer = send(copy)
            assert answer.status_code < 500, (name, number, answer.text)
            statuses[answer.status_code] += 1

    assert client.detect(picture).ok
    assert tracebacks(own_server) == []
    print(f"\ndamaged pictures: {dict(statuses)}")


def test_damaged_videos_end_in_a_final_state_and_leave_no_files(
    own_server: Server, valid_clips: dict[str, bytes], clip: bytes
) -> None:
    client = Client(own_server)
    statuses: Counter[int] = Counter()
    waiting = []

    for name, data in valid_clips.items():
        for number, copy in enumerate(damaged(data, DAMAGED_VIDEOS, name)):
            announced = client.announce(copy)
            assert announced.status_code < 500, (name, number, announced.text)
            video = announced.json()
            answer = client.send_chunk(video["urls"]["upload"], copy, 0)
            assert answer.status_code < 500, (name, number, answer.text)
            statuses[answer.status_code] += 1
            if answer.ok:
                waiting.append(video["urls"]["self"])
    states = Counter(final_state(client, path) for path in waiting)

    assert client.send_video(clip)
    assert tracebacks(own_server) == []
    own_server.manage("check_media")
    print(
        f"\ndamaged videos: {dict(statuses)} responses to uploads, {dict(states)} as final states"
    )


def final_state(client: Client, path: str) -> str:
    while (video := client.ask("GET", path).json())["state"] in ("queued", "running"):
        pass
    assert video["state"] == "done" or video["error"], video
    return video["state"] + (" (truncated)" if video["truncated"] else "")
