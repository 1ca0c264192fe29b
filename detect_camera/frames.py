"""A camera frame as one binary message: 16 bytes of header, then a JPEG file.

Little-endian: version (1 byte, 1), flags (1 byte, 0), length of the header (2 bytes, 16),
sequence number (4 bytes), time of the capture in ms by the sender's clock (8-byte float).
"""

import struct
from dataclasses import dataclass

from ml_core.errors import VisionError

VERSION = 1
HEADER = struct.Struct("<BBHId")


class BadFrameMessage(VisionError):
    """A message is not in the format of this module."""

    status = 400
    code = "bad_message"


@dataclass(frozen=True)
class Frame:
    """One frame as it arrived; ``jpeg`` may be anything."""

    sequence: int
    jpeg: bytes


def parse_frame(message: bytes) -> Frame:
    """Take a message apart. Raises ``BadFrameMessage``."""
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
    """The message that ``parse_frame`` takes apart."""
    return HEADER.pack(VERSION, 0, HEADER.size, sequence, captured_ms) + jpeg
