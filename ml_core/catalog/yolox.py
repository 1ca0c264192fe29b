"""YOLOX of the catalogue: ONNX files of the authors' release."""

from dataclasses import replace
from pathlib import Path

from ml_core.catalog.formats import InputFormat, OutputFormat
from ml_core.catalog.specs import ModelFile, ModelSpec

_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"

# Sizes and hashes are stated alike by many unrelated public repositories, each computed from the
# release's files: the publisher states none. The authors publish mAP@0.5:0.95 only (40.5, 32.8 and
# 25.8 on COCO's validation set); mAP@0.5 of yolox-s was measured there by OpenCV's model zoo.
YOLOX_S = ModelSpec(
    name="yolox-s",
    task="detection",
    family="YOLOX",
    directory=Path(),
    format="onnx",
    files=(
        ModelFile(
            "yolox_s.onnx",
            35858002,
            "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
            (f"{_RELEASE}/yolox_s.onnx",),
        ),
    ),
    input_wh=(640, 640),
    resizing="letterbox",
    input=InputFormat(axes="NCHW", colours="BGR", is_centred=False, pad_value=114),
    output=OutputFormat("yolox", ("output",)),
    accuracy_percent=59.3,
    licence="Apache-2.0",
    origin="https://github.com/Megvii-BaseDetection/YOLOX",
)
YOLOX_TINY = replace(
    YOLOX_S,
    name="yolox-tiny",
    files=(
        ModelFile(
            "yolox_tiny.onnx",
            20219662,
            "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
            (f"{_RELEASE}/yolox_tiny.onnx",),
        ),
    ),
    input_wh=(416, 416),
    accuracy_percent=None,
)
YOLOX_NANO = replace(
    YOLOX_TINY,
    name="yolox-nano",
    files=(
        ModelFile(
            "yolox_nano.onnx",
            3659407,
            "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
            (f"{_RELEASE}/yolox_nano.onnx",),
        ),
    ),
)
