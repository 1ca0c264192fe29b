"""The metadata of an ONNX file, which OpenVINO does not keep.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: ``ModelProto.metadata_props`` is field 14,
a pair of key (1) and value (2). Everything else, such as the weights, is skipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ml_core.catalog.formats import ModelFileError

METADATA_PROPS = 14
MAX_ENTRIES = 1000
MAX_TEXT_BYTES = 10**6
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """The metadata by key. Raises ``ModelFileError`` if the file is cut off."""
    metadata = {}
    with path.open("rb") as file:
        size = path.stat().st_size
        for field, length in _fields(file, size):
            if field != METADATA_PROPS or length > MAX_TEXT_BYTES:
                file.seek(length, 1)
                continue
            end = file.tell() + length
            entry = {key: file.read(count) for key, count in _fields(file, end)}
            key, value = (entry.get(part, b"").decode("utf-8", "replace") for part in (1, 2))
            metadata[key] = value
            if len(metadata) > MAX_ENTRIES:
                break
    return metadata


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """The number and length of each field of bytes up to ``end``; the caller reads or skips it."""
    while file.tell() < end:
        tag = _varint(file)
        kind = tag & 7
        if kind == VARINT:
            _varint(file)
        elif kind in (FIXED_64, FIXED_32):
            file.seek(8 if kind == FIXED_64 else 4, 1)
        elif kind == BYTES:
            length = _varint(file)
            if file.tell() + length > end:
                raise ModelFileError("The ONNX file is cut off or damaged.")
            yield tag >> 3, length
        else:
            raise ModelFileError("The ONNX file is cut off or damaged.")


def _varint(file: BinaryIO) -> int:
    number = shift = 0
    while shift < 64:
        byte = file.read(1)
        if not byte:
            break
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
        shift += 7
    raise ModelFileError("The ONNX file is cut off or damaged.")
