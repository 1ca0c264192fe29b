"""The metadata of a TFLite file: class names, mean and standard deviation.

Class names are text files in a zip archive behind the model. The rest is a flatbuffer in the
buffer that the model's metadata calls "TFLITE_METADATA"; the numbers below are the fields of
https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs and of
https://github.com/tensorflow/tflite-support, ``metadata_schema.fbs``.
"""

import zipfile
from pathlib import Path
from typing import Any

from ml_core.catalog.model_toml import shortened

MAX_LABELS_BYTES = 10**7
# Positions of fields in the tables' order, and the type of NormalizationOptions in its union.
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER = 0, 1
BUFFER_DATA = 0
SUBGRAPHS = 4
SUBGRAPH_INPUTS = 2
TENSOR_PROCESS_UNITS = 4
UNIT_TYPE, UNIT_OPTIONS = 0, 1
NORMALIZATION = 1
MEAN, STD = 0, 1


def read_tflite_metadata(path: Path) -> dict[str, Any]:
    """The facts ``labels``, ``mean`` and ``std`` of a TFLite file, as far as it has them."""
    facts: dict[str, Any] = {"labels": _labels(path)}
    try:
        mean, std = _normalization(path.read_bytes())
        facts |= {"mean": mean, "std": std}
    # Optional: whatever is wrong with it, the network may be usable.
    except Exception:
        pass
    return facts


def _labels(path: Path) -> tuple[str, ...]:
    if not zipfile.is_zipfile(path):
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [
                archive.read(member)
                for member in archive.infolist()
                if member.filename.endswith(".txt") and member.file_size < MAX_LABELS_BYTES
            ]
        lines = texts[0].decode("utf-8-sig", "replace").splitlines() if texts else []
    except (zipfile.BadZipFile, OSError, RuntimeError):
        return ()
    names = [line.strip() for line in lines if line.strip()]
    return shortened(names) if names else ()


def _normalization(content: bytes) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the first input, in units of pixels."""
    model = _root(content)
    for entry in _tables(model, MODEL_METADATA):
        if _text(entry, METADATA_NAME) != b"TFLITE_METADATA":
            continue
        buffer = _tables(model, MODEL_BUFFERS)[_number(entry, METADATA_BUFFER)]
        metadata = _root(_bytes(buffer, BUFFER_DATA))
        inputs = _tables(_tables(metadata, SUBGRAPHS)[0], SUBGRAPH_INPUTS)
        for unit in _tables(inputs[0], TENSOR_PROCESS_UNITS):
            if _byte(unit, UNIT_TYPE) == NORMALIZATION:
                options = _union(unit, UNIT_OPTIONS)
                return _floats(options, MEAN), _floats(options, STD)
    return (), ()


def _root(content: bytes) -> Any:
    from flatbuffers import encode, number_types, table

    position = encode.Get(number_types.UOffsetTFlags.packer_type, content, 0)
    return table.Table(content, position)


def _place(table: Any, field: int) -> int:
    return table.Offset(4 + 2 * field)


def _tables(parent: Any, field: int) -> list[Any]:
    from flatbuffers.table import Table

    place = _place(parent, field)
    if not place:
        return []
    start = parent.Vector(place)
    return [
        Table(parent.Bytes, parent.Indirect(start + 4 * index))
        for index in range(parent.VectorLen(place))
    ]


def _union(parent: Any, field: int) -> Any:
    from flatbuffers.table import Table

    return Table(parent.Bytes, parent.Indirect(parent.Pos + _place(parent, field)))


def _text(parent: Any, field: int) -> bytes:
    place = _place(parent, field)
    return parent.String(parent.Pos + place) if place else b""


def _bytes(parent: Any, field: int) -> bytes:
    place = _place(parent, field)
    start = parent.Vector(place)
    return bytes(parent.Bytes[start : start + parent.VectorLen(place)])


def _number(parent: Any, field: int) -> int:
    from flatbuffers import number_types

    place = _place(parent, field)
    return parent.Get(number_types.Uint32Flags, parent.Pos + place) if place else 0


def _byte(parent: Any, field: int) -> int:
    from flatbuffers import number_types

    place = _place(parent, field)
    return parent.Get(number_types.Uint8Flags, parent.Pos + place) if place else 0


def _floats(parent: Any, field: int) -> tuple[float, ...]:
    from flatbuffers import number_types

    place = _place(parent, field)
    if not place:
        return ()
    start = parent.Vector(place)
    return tuple(
        parent.Get(number_types.Float32Flags, start + 4 * index)
        for index in range(parent.VectorLen(place))
    )
