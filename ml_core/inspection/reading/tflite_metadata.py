"""The metadata of a TFLite file: class names, mean and standard deviation.

Class names are text files in a zip archive behind the model. The rest is a flatbuffer in the
buffer that the model's metadata calls "TFLITE_METADATA"; the numbers below are the fields of
https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs and of
https://github.com/tensorflow/tflite-support, ``metadata_schema.fbs``.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers.number_types import Uint8Flags

from ml_core.catalog.model_toml import shortened
from ml_core.engines.flatbuffer import Table

MAX_LABELS_BYTES = 10**7
# Positions of fields in the tables' order, and the type of NormalizationOptions in its union.
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER = 0, 1
BUFFER_DATA = 0
SUBGRAPHS = 3
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
    model = Table.root(content)
    for entry in model.tables(MODEL_METADATA):
        if entry.text(METADATA_NAME) != b"TFLITE_METADATA":
            continue
        buffer = model.tables(MODEL_BUFFERS)[entry.number(METADATA_BUFFER)]
        metadata = Table.root(buffer.numbers(BUFFER_DATA, np.uint8).tobytes())
        inputs = metadata.tables(SUBGRAPHS)[0].tables(SUBGRAPH_INPUTS)
        for unit in inputs[0].tables(TENSOR_PROCESS_UNITS):
            if unit.number(UNIT_TYPE, Uint8Flags) == NORMALIZATION:
                options = unit.table(UNIT_OPTIONS)
                mean, std = (options.numbers(field, np.float32) for field in (MEAN, STD))
                return tuple(mean.tolist()), tuple(std.tolist())
    return (), ()
