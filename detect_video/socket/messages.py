"""Messages of a video's WebSocket: parsing of client messages, packing of frames."""

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
    """Stream from frame ``first`` on: results only, or results with their frames as JPEG."""

    mode: str
    first: int
    credit: int


@dataclass(frozen=True)
class Credit:
    """Allow the server to send this many more ``pictures``."""

    pictures: int


def parse_message(text: str | None) -> Start | Credit:
    """Parse a client message. Raises ``BadMessage``."""
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
    """Pack a stored result and its frame's JPEG into one message.

    Layout: little-endian uint32 length of the JSON header, the header, the JPEG.
    """
    size = {"width": picture.width, "height": picture.height}
    header = json.dumps({**result, **size}).encode()
    return struct.pack("<I", len(header)) + header + picture.data


def _whole_number(message: dict[str, Any], name: str, most: int, *, default: int) -> int:
    number = message.get(name, default)
    # isinstance() would accept True and False.
    if type(number) is not int or not 0 <= number <= most:
        raise BadMessage(f'Expected a whole number from 0 to {most} as "{name}".')
    return number
