"""How pictures are prepared for families of networks, where their files do not say it."""

from dataclasses import dataclass, replace
from typing import Any

from ml_core.catalog.formats import Colours, Format
from ml_core.catalog.specs import Resizing
from ml_core.errors import Phrase
from ml_core.inspection.answers import SAYS_METADATA
from ml_core.inspection.reading.facts import Facts

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Above it, pixels are far fewer than a photo has: all of them should count.
SMALL_SIDE = 64
# Prefixes of keras.applications' networks by their preprocess_input, longest first.
KERAS_MODES = {
    "convnext": "inside",
    "efficientnet": "inside",
    "mobilenetv3": "inside",
    "densenet": "torch",
    "resnet50v2": "tf",
    "resnet101v2": "tf",
    "resnet152v2": "tf",
    "inception": "tf",
    "mobilenet": "tf",
    "nasnet": "tf",
    "xception": "tf",
    "resnet": "caffe",
    "vgg": "caffe",
}


@dataclass(frozen=True)
class Preparation:
    """Values of an ``InputFormat``, and the reason; a guess may be wrong."""

    reason: Phrase
    value_range: tuple[float, float] = (0.0, 255.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    colours: Colours = "RGB"
    resizing: Resizing = "stretch"
    is_centred: bool = True
    pad_value: int = 128
    is_guess: bool = False


# Where pictures are placed in the input.
PLACING = ("resizing", "is_centred", "pad_value")
# What the values of pixels may be, from the most to the least common. (-1 to 1 is written as a
# mean and a deviation by some; it is the same.)
VALUES: dict[str, dict[str, Any]] = {
    "0 to 1": {"value_range": (0.0, 1.0)},
    "0 to 255": {"value_range": (0.0, 255.0)},
    "-1 to 1": {"value_range": (-1.0, 1.0)},
    "ImageNet's mean and deviation": {
        "value_range": (0.0, 1.0),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    },
}
# By the family that a layout of detectors belongs to.
DETECTORS = {
    "YOLOX": Preparation(
        Phrase("as YOLOX is trained"),
        colours="BGR",
        resizing="letterbox",
        is_centred=False,
        pad_value=114,
    ),
    "YOLO": Preparation(
        Phrase("as Ultralytics' YOLO and YOLOv7 are trained"),
        value_range=(0.0, 1.0),
        resizing="letterbox",
        pad_value=114,
    ),
    "RT-DETR": Preparation(
        Phrase("as RT-DETR, D-FINE and DEIM are trained"), value_range=(0.0, 1.0)
    ),
    "DETR": Preparation(
        Phrase("as DETR and RF-DETR are trained"),
        value_range=(0.0, 1.0),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    ),
    "torchvision": Preparation(
        Phrase("as torchvision's detectors take them"), value_range=(0.0, 1.0)
    ),
    "SSD": Preparation(Phrase("as SSD is trained"), value_range=(-1.0, 1.0), is_guess=True),
}
# By the mode of keras.applications.
KERAS = {
    "inside": Preparation(Phrase("{network} scales pixels itself")),
    "tf": Preparation(
        Phrase("as keras.applications trains {network}"), value_range=(-1.0, 1.0), is_guess=True
    ),
    "torch": Preparation(
        Phrase("as keras.applications trains {network}"),
        value_range=(0.0, 1.0),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        is_guess=True,
    ),
    "caffe": Preparation(
        Phrase("as keras.applications trains {network}"),
        mean=(103.939, 116.779, 123.68),
        colours="BGR",
        is_guess=True,
    ),
}
# By the format of a classifier, where nothing else is known.
CLASSIFIERS: dict[Format, Preparation] = {
    "keras": Preparation(
        Phrase("most Keras models are trained so"), value_range=(0.0, 1.0), is_guess=True
    ),
    "tflite": Preparation(
        Phrase("most TFLite models are trained so"), value_range=(-1.0, 1.0), is_guess=True
    ),
    "savedmodel": Preparation(
        Phrase("most TensorFlow models are trained so"), value_range=(0.0, 1.0), is_guess=True
    ),
}
FALLBACK = Preparation(
    Phrase("most models from PyTorch are trained so (ImageNet's mean and deviation)"),
    value_range=(0.0, 1.0),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    is_guess=True,
)


def _stated(facts: Facts) -> Preparation | None:
    """The values of pixels that the file says itself."""
    if facts.mean and facts.std and all(facts.std):
        return Preparation(SAYS_METADATA, mean=facts.mean, std=facts.std)
    if facts.scaling_layer:
        return Preparation(
            Phrase("its {layer} layer scales pixels itself", layer=facts.scaling_layer)
        )
    return None


def keras_mode(backbone: str) -> str:
    """The mode of ``preprocess_input`` for a network of keras.applications, or ""."""
    name = backbone.lower()
    return next((mode for prefix, mode in KERAS_MODES.items() if name.startswith(prefix)), "")


def detector_preparation(facts: Facts, family: str) -> Preparation:
    """How pictures are prepared for a detector, by what its file says, else as usual."""
    usual = DETECTORS[family]
    stated = _stated(facts)
    if not stated:
        return usual
    return replace(stated, colours=usual.colours, **{key: getattr(usual, key) for key in PLACING})


def classifier_preparation(facts: Facts, format: Format) -> Preparation:
    """How pictures are prepared for a classifier, by what its file says."""
    mode = keras_mode(facts.backbone)
    if stated := _stated(facts):
        return stated
    if mode:
        usual = KERAS[mode]
        return replace(usual, reason=Phrase(usual.reason.message, network=facts.backbone))
    if facts.task == "classify":
        return Preparation(
            Phrase("as Ultralytics' classifiers are trained"), value_range=(0.0, 1.0)
        )
    return CLASSIFIERS.get(format, FALLBACK)
