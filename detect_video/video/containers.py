"""Detects the container format of a video file, and whether the file is truncated."""

import os
from typing import BinaryIO

EBML_HEADER = b"\x1a\x45\xdf\xa3"
# Types of the first box of an mp4 or mov file.
MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
# Limit of top-level boxes; ten minutes in fragments of one frame have fewer.
MAX_BOXES = 100_000
MIME_TYPES = {"mov": "video/mp4", "matroska": "video/webm", "avi": "video/x-msvideo"}

# At the start of a file, by which its container is known.
SIGNATURE_BYTES = 12


def container_format(file: BinaryIO) -> str:
    """The container by its signature: "mov" (also mp4), "matroska", "avi", or "" if unknown."""
    file.seek(0)
    start = file.read(SIGNATURE_BYTES)
    if start[4:8] in MOV_BOXES:
        return "mov"
    if start.startswith(EBML_HEADER):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:] == b"AVI ":
        return "avi"
    return ""


def missing_bytes(file: BinaryIO, format: str) -> int:
    """The number of bytes missing at the end, by the sizes in the container's headers.

    Call it only in the decoder process: impossible sizes raise ``OSError`` or ``OverflowError``,
    and a crafted file may consist of headers only.
    """
    end = {"mov": _mov_end, "matroska": _matroska_end, "avi": _avi_end}[format](file)
    return max(0, end - os.fstat(file.fileno()).st_size)


def _mov_end(file: BinaryIO) -> int:
    """End of the last top-level box; 0 if there are more than ``MAX_BOXES``."""
    position = 0
    for _ in range(MAX_BOXES + 1):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return position + 8 if header else position
        size = int.from_bytes(header[:4])
        if size == 1:
            size = int.from_bytes(header[8:])
        # Size 0 means "up to the end of the file"; other sizes below 8 are invalid.
        if size < 8:
            return 0
        position += size
    return 0


def _matroska_end(file: BinaryIO) -> int:
    """End of the segment, which follows the EBML header; 0 if its size is unknown."""
    position = 0
    for id_bytes in (4, 4):
        file.seek(position + id_bytes)
        first = file.read(1)
        if not first or first == b"\0":
            return 0
        size_bytes = 9 - first[0].bit_length()
        size = int.from_bytes(first + file.read(size_bytes - 1))
        unknown = (1 << 7 * size_bytes) - 1
        size &= unknown
        if size == unknown:
            return 0
        position += id_bytes + size_bytes + size
    return position


def _avi_end(file: BinaryIO) -> int:
    """End of the first RIFF chunk."""
    file.seek(4)
    return 8 + int.from_bytes(file.read(4), "little")
