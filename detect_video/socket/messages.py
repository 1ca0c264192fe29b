"""The messages of a video's WebSocket: what clients may say, and how pictures are packed."""

import json
import struct
from dataclasses import dataclass
from typing import Any

from detect_video.errors import BadMessage
from detect_video.video.reader import VideoFrame

MODES = ("results", "frames")
MAX_CREDIT = 64
MAX_FRAME_INDEX = 2**31 - 1


@dataclass(frozen=True)
class Start:
    """Send everything from frame ``first`` on: results alone, or each with its picture."""

    mode: str
    first: int
    credit: int


@dataclass(frozen=True)
class Credit:
    """``pictures`` more may be sent."""

    pictures: int


def parse_message(text: str | None) -> Start | Credit:
    """What a client said. Raises ``BadMessage`` for anything it may not say."""
    if text is None:
        raise BadMessage("Expected JSON text, received binary data.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadMessage("Expected JSON text, received something else.") from exc
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "credit":
        return Credit(_whole_number(message, "n", MAX_CREDIT, default=1))
    if kind != "start":
        raise BadMessage('Expected an object whose "type" is "start" or "credit".')
    if message.get("mode") not in MODES:
        raise BadMessage(f'Expected a "mode" of {" or ".join(MODES)}.')
    return Start(
        mode=message["mode"],
        first=_whole_number(message, "from", MAX_FRAME_INDEX, default=0),
        credit=_whole_number(message, "credit", MAX_CREDIT, default=0),
    )


def pack_picture(result: dict[str, Any], picture: VideoFrame) -> bytes:
    """A kept result and its frame's JPEG as one message, so that nothing comes between them.

    A little-endian uint32 with the length of the JSON header, the header, the JPEG.
    """
    size = {"width": picture.width, "height": picture.height}
    header = json.dumps({**result, **size}).encode()
    return struct.pack("<I", len(header)) + header + picture.data


def _whole_number(message: dict[str, Any], name: str, most: int, *, default: int) -> int:
    number = message.get(name, default)
    # In Python, True is a whole number, too.
    if type(number) is not int or not 0 <= number <= most:
        raise BadMessage(f'Expected a whole number from 0 to {most} as "{name}".')
    return number
