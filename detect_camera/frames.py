"""Binary format of a camera frame: a 16-byte header, then a JPEG file.

Little-endian: version (1 byte, 1), flags (1 byte, 0), header length (2 bytes, 16),
sequence number (4 bytes), capture time in ms by the sender's clock (8-byte float).
"""

import struct
from dataclasses import dataclass

from ml_core.errors import VisionError

VERSION = 1
HEADER = struct.Struct("<BBHId")
# Frames of one camera that are sent and not yet answered. Two overlap transfer and inference;
# a third would only add latency.
FRAMES_IN_FLIGHT = 2


class BadFrameMessage(VisionError):
    """The message is not a valid camera frame."""

    status = 400
    code = "bad_message"


@dataclass(frozen=True)
class Frame:
    """A received frame; ``jpeg`` has not been decoded or validated."""

    sequence: int
    jpeg: bytes


def parse_frame(message: bytes) -> Frame:
    """Parse a binary message. Raises ``BadFrameMessage``."""
    if len(message) < HEADER.size:
        raise BadFrameMessage(
            f"Expected a header of {HEADER.size} bytes and a JPEG, received {len(message)} bytes."
        )
    version, _, header_length, sequence, _ = HEADER.unpack_from(message)
    if version != VERSION or not HEADER.size <= header_length <= len(message):
        raise BadFrameMessage(
            f"Expected version {VERSION} and a header of {HEADER.size} bytes, received version "
            f"{version} and a header of {header_length} bytes."
        )
    return Frame(sequence, message[header_length:])


def frame_message(sequence: int, jpeg: bytes, captured_ms: float) -> bytes:
    """Serialize a frame for ``parse_frame``."""
    return HEADER.pack(VERSION, 0, HEADER.size, sequence, captured_ms) + jpeg
