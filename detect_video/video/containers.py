"""What a video file says about itself before anything is decoded: its container, its length."""

import os
from typing import BinaryIO

EBML_HEADER = b"\x1a\x45\xdf\xa3"
# Boxes that an mp4 or mov file may begin with.
MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
# Outermost boxes that are looked at; ten minutes in pieces of one frame have fewer.
MAX_BOXES = 100_000
MIME_TYPES = {"mov": "video/mp4", "matroska": "video/webm", "avi": "video/x-msvideo"}


def container_format(file: BinaryIO) -> str:
    """The container by the file's first bytes: "mov" (mp4 too), "matroska", "avi" or ""."""
    file.seek(0)
    start = file.read(12)
    if start[4:8] in MOV_BOXES:
        return "mov"
    if start.startswith(EBML_HEADER):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:] == b"AVI ":
        return "avi"
    return ""


def missing_bytes(file: BinaryIO, format: str) -> int:
    """How many bytes are cut off the end, by the sizes that the container states.

    Only for the decoding process: sizes that are no file's raise ``OSError`` or ``OverflowError``,
    and a file may be made of nothing but sizes.
    """
    end = {"mov": _mov_end, "matroska": _matroska_end, "avi": _avi_end}[format](file)
    return max(0, end - os.fstat(file.fileno()).st_size)


def _mov_end(file: BinaryIO) -> int:
    """Where the last of the outermost boxes ends; 0 where there are more than ``MAX_BOXES``."""
    position = 0
    for _ in range(MAX_BOXES + 1):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return position + 8 if header else position
        size = int.from_bytes(header[:4])
        if size == 1:
            size = int.from_bytes(header[8:])
        # 0 means "up to the end"; what is shorter than its own header is no box.
        if size < 8:
            return 0
        position += size
    return 0


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends, which follows the EBML header."""
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
    """Where the first RIFF list ends."""
    file.seek(4)
    return 8 + int.from_bytes(file.read(4), "little")
