"""What the author of a TFLite file wrote into it."""

import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from ml_core.inspection.reading.tflite_metadata import read_tflite_metadata


def normalization(mean: list[float], std: list[float]) -> bytes:
    """Metadata of a network with one input, as in ``metadata_schema.fbs`` of tflite-support."""
    builder = flatbuffers.Builder(256)

    def table(fields: int, slot: int, offset: int) -> int:
        builder.StartObject(fields)
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return builder.EndObject()

    def vector(offset: int) -> int:
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    means, stds = (builder.CreateNumpyVector(np.float32(values)) for values in (mean, std))
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, means, 0)
    builder.PrependUOffsetTRelativeSlot(1, stds, 0)
    options = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)  # NormalizationOptions
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = builder.EndObject()
    tensor = table(7, 4, vector(unit))  # process_units
    subgraph = table(7, 2, vector(tensor))  # input_tensor_metadata
    builder.Finish(table(8, 3, vector(subgraph)), file_identifier=b"M001")  # subgraph_metadata
    return bytes(builder.Output())


def tflite(path: Path, metadata: bytes) -> Path:
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes = 3, [schema.SubGraphT()], []
    content = schema.BufferT()
    content.data = np.frombuffer(metadata, np.uint8)
    model.buffers = [schema.BufferT(), content]
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", 1
    model.metadata = [entry]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_it_tells_class_names_mean_and_deviation(tmp_path):
    path = tflite(tmp_path / "net.tflite", normalization([127.5], [128.0]))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "tomato\nplum\n")

    facts = read_tflite_metadata(path)

    assert facts == {"labels": ("tomato", "plum"), "mean": (127.5,), "std": (128.0,)}


@pytest.mark.parametrize("metadata", [b"", b"\x04\x00\x00\x00", b"\xff" * 40])
def test_damaged_metadata_is_ignored(tmp_path, metadata):
    facts = read_tflite_metadata(tflite(tmp_path / "net.tflite", metadata))

    assert facts["labels"] == ()
    assert not facts.get("mean")
