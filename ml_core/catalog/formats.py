"""What a network takes and returns, for files that do not say so themselves."""

from dataclasses import dataclass
from typing import Literal

# How the files are read: a Darknet network, a classifier that ``train_classifier`` wrote, weights
# of a network in keras.applications, or a model file of another framework.
Format = Literal[
    "darknet",
    "resnet v2",
    "keras application",
    "keras",
    "savedmodel",
    "onnx",
    "openvino",
    "tflite",
]
Colours = Literal["RGB", "BGR", "grey"]
AxisOrder = Literal["NHWC", "NCHW"]
BoxUnit = Literal["pixels", "relative"]
Activation = Literal["none", "softmax", "sigmoid"]


# The file that makes a folder a model of a format, by its suffix.
MAIN_SUFFIXES: dict[str, Format] = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".onnx": "onnx",
    ".xml": "openvino",
    ".tflite": "tflite",
    ".cfg": "darknet",
}
SAVED_MODEL = "saved_model.pb"


class ModelFileError(ValueError):
    """A model's files or their description cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class InputFormat:
    """How a network's input is made from a (B, H, W, 3) uint8 RGB picture.

    A pixel of 0 to 255 is mapped to ``value_range``, then ``mean`` is subtracted and the result
    divided by ``std``; both have one number per channel in the order of ``colours``, or are empty.
    A network with integer input takes the pixels unchanged. ``is_centred`` and ``pad_value``
    (0 to 255) are the place and the grey of letterboxed pictures.
    """

    axes: AxisOrder = "NHWC"
    colours: Colours = "RGB"
    value_range: tuple[float, float] = (0.0, 255.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    is_centred: bool = True
    pad_value: int = 128


@dataclass(frozen=True)
class OutputFormat:
    """How a network's outputs are decoded.

    ``layout`` is one of ``ml_core.decoders.LAYOUTS``, or "classes" for a classifier. ``tensors``
    names the outputs in the order that its decoder expects. ``activation`` is applied to the class
    scores. ``box_unit`` says whether boxes are in pixels of the input or relative to its size.
    ``first_class_id`` is the number of the first label: 1 where 0 is the background. With
    ``is_sparse_coco`` numbers are COCO's 91 category ids, with gaps, counted from it.
    """

    layout: str
    tensors: tuple[str, ...] = ()
    activation: Activation = "none"
    box_unit: BoxUnit = "pixels"
    first_class_id: int = 0
    is_sparse_coco: bool = False
