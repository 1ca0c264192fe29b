"""The metadata of an ONNX file, which OpenVINO does not keep: that of Ultralytics.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: ``ModelProto.metadata_props`` is field 14,
a pair of key (1) and value (2). Everything else, such as the weights, is skipped.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.model_toml import shortened

METADATA_PROPS = 14
MAX_ENTRIES = 1000
MAX_CHARACTERS = 200
MAX_TEXT_BYTES = 10**6
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


def read_onnx_metadata(path: Path) -> dict[str, Any]:
    """The facts ``task``, ``licence``, ``labels`` and ``input_wh``, as far as the file has them.

    Raises ``ModelFileError`` if the file is cut off.
    """
    entries = _entries(path)
    facts: dict[str, Any] = {
        "task": entries.get("task", "")[:MAX_CHARACTERS],
        "licence": entries.get("license", "")[:MAX_CHARACTERS],
    }
    names = _literal(entries.get("names", ""), dict)
    if names and all(isinstance(key, int) for key in names):
        facts["labels"] = shortened(" ".join(str(names[key]).split()) for key in sorted(names))
    sides = _literal(entries.get("imgsz", ""), list)
    if sides and all(isinstance(side, int) for side in sides):
        facts["input_wh"] = (sides[-1], sides[0])
    return facts


def _literal(text: str, kind: type) -> Any:
    """A list or dictionary that Python code writes down, as Ultralytics stores them; else None."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value if isinstance(value, kind) else None


def _entries(path: Path) -> dict[str, str]:
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
