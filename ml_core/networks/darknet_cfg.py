"""Parse Darknet network descriptions (``.cfg``), without importing Keras.

The format is that of https://github.com/pjreddie/darknet and its fork
https://github.com/AlexeyAB/darknet: ``[section]`` headers in network order, ``key=value``
options below them, ``#`` and ``;`` comments.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T", int, float)

# The options of each section that inference uses, and those that it may ignore because Darknet
# reads them only for training, tracking, suppression or GPUs. Any other option is refused:
# ignoring it silently could produce wrong boxes.
INFERENCE_OPTIONS = {
    "convolutional": "batch_normalize filters size stride pad padding groups activation",
    "shortcut": "from activation",
    "route": "layers groups group_id",
    "upsample": "stride",
    "maxpool": "size stride padding",
    "dropout": "",
    "yolo": "mask anchors classes num scale_x_y new_coords",
}
IGNORED_OPTIONS = {
    "convolutional": "assisted_excitation cbn grad_centr",
    "dropout": "probability dropblock dropblock_size_abs dropblock_size_rel",
    "yolo": "jitter resize random max max_delta counters_per_class label_smooth_eps focal_loss"
    " ignore_thresh truth_thresh iou_thresh iou_thresh_kind iou_loss objectness_smooth"
    " iou_normalizer cls_normalizer obj_normalizer delta_normalizer nms_kind beta_nms show_details"
    " embedding_layer track_history_size track_ciou_norm sim_thresh dets_for_track dets_for_show",
}
# Ignored in sections of any kind.
ALWAYS_IGNORED = (
    "stopbackward dontload dontloadscales dont_update burnin_update train_only_bn onlyforward clip"
    " learning_rate stream wait_stream"
)
# Options that are accepted only with these values, which have no effect.
NEUTRAL_VALUES = {
    **{"dilation": "1", "antialiasing": "0", "binary": "0", "xnor": "0", "flipped": "0"},
    **{"weights_type": "none", "maxpool_depth": "0", "scale": "1"},
}
ACTIVATIONS = ("leaky", "relu", "linear", "mish", "swish", "logistic")


class DarknetError(ValueError):
    """A ``.cfg`` or ``.weights`` file is invalid; the text says where."""


@dataclass(frozen=True)
class Section:
    """One ``[section]``; ``index`` is the one ``route`` and ``shortcut`` refer to, -1 for [net]."""

    kind: str
    index: int
    line: int
    options: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.index}"

    def error(self, message: str) -> DarknetError:
        return DarknetError(f"[{self.kind}] at line {self.line}: {message}")

    def integer(self, key: str, default: int | None = None, *, minimum: int | None = None) -> int:
        """An integer option of at least ``minimum``; required if there is no ``default``."""
        numbers = self.integers(key, default)
        if len(numbers) != 1:
            raise self.error(f"{key} must be one number, received {self.options[key]!r}.")
        if minimum is not None and numbers[0] < minimum:
            raise self.error(f"{key} must be at least {minimum}, received {numbers[0]}.")
        return numbers[0]

    def integers(self, key: str, default: int | None = None) -> list[int]:
        """A comma-separated list of integers."""
        if key not in self.options and default is not None:
            return [default]
        return self._parse(key, int, "whole numbers")

    def floats(self, key: str) -> list[float]:
        """A comma-separated list of floats."""
        return self._parse(key, float, "numbers")

    def _parse(self, key: str, convert: Callable[[str], T], what: str) -> list[T]:
        if key not in self.options:
            raise self.error(f"option {key!r} is missing.")
        try:
            # Some lists in Darknet's own files end with a comma.
            return [convert(part) for part in self.options[key].rstrip(", ").split(",")]
        except ValueError as exc:
            raise self.error(f"{key} must be {what}, received {self.options[key]!r}.") from exc


@dataclass(frozen=True)
class YoloLayer:
    """A ``[yolo]`` section: how its feature map encodes boxes (YOLOv3, section 2.1).

    ``anchors_wh`` is (A, 2) in pixels of the network's input. ``scale_x_y`` stretches the
    cell offsets around their centre (YOLOv4; 1 in YOLOv3). ``new_coords`` is the encoding of
    Scaled-YOLOv4 (arXiv:2011.08036) and YOLOv7: the feature map has passed the logistic function
    already, and a size is (2 * value)^2 times the anchor.
    """

    anchors_wh: np.ndarray
    num_classes: int
    scale_x_y: float
    new_coords: bool = False


@dataclass(frozen=True)
class DarknetConfig:
    """A parsed network description: its input size in pixels and its sections in order.

    ``letter_box`` is the fork's option for resizing that keeps the aspect ratio.
    """

    input_wh: tuple[int, int]
    letter_box: bool
    sections: tuple[Section, ...]

    @property
    def yolo_layers(self) -> list[YoloLayer]:
        """The network's heads, in the order of its outputs."""
        return [_yolo_layer(section) for section in self.sections if section.kind == "yolo"]

    def with_masks(self, masks: Iterable[tuple[int, ...]]) -> "DarknetConfig":
        """The same network with other anchor masks, one for each of the first heads."""
        sections = list(self.sections)
        heads = (n for n, section in enumerate(sections) if section.kind == "yolo")
        for number, mask in zip(heads, masks, strict=False):
            changed = {"mask": ",".join(map(str, mask))}
            sections[number] = replace(sections[number], options=sections[number].options | changed)
        return replace(self, sections=tuple(sections))


def read_config(path: Path) -> DarknetConfig:
    """Read a ``.cfg`` file.

    Raises ``DarknetError``, naming section and line, for anything unknown or malformed.
    """
    return parse_config(path.read_text(encoding="utf-8-sig", errors="replace"))


def parse_config(text: str) -> DarknetConfig:
    """Parse the text of a ``.cfg`` file; see ``read_config``."""
    sections: list[Section] = []
    for line, content in enumerate(text.splitlines(), start=1):
        content = content.split("#")[0].split(";")[0].strip()
        if not content:
            continue
        if content.startswith("["):
            kind = content.strip("[]").strip().lower()
            sections.append(Section(kind, len(sections) - 1, line, {}))
            continue
        key, equals, value = content.partition("=")
        if not equals or not sections:
            raise DarknetError(f"line {line}: expected [section] or key=value, got {content!r}.")
        sections[-1].options[key.strip()] = value.strip()

    if not sections or sections[0].kind not in ("net", "network"):
        raise DarknetError("a network description must begin with a [net] section.")
    net, *layers = sections
    if net.integer("channels", 3) != 3:
        raise net.error(f"channels must be 3 (RGB), received {net.integer('channels')}.")
    if min(net.integer("width"), net.integer("height")) < 1:
        raise net.error("width and height must be at least 1.")
    for section, previous in zip(layers, sections, strict=False):
        _check(section)
        _check_activation(section, previous)
    config = DarknetConfig(
        input_wh=(net.integer("width"), net.integer("height")),
        letter_box=bool(net.integer("letter_box", 0)),
        sections=tuple(layers),
    )
    if not config.yolo_layers:
        raise DarknetError("the network has no [yolo] section, so it detects nothing.")
    return config


def _check(section: Section) -> None:
    if section.kind not in INFERENCE_OPTIONS:
        known = ", ".join(INFERENCE_OPTIONS)
        raise section.error(f"unknown section type; known are {known}.")
    ignored = IGNORED_OPTIONS.get(section.kind, "")
    known_options = f"{INFERENCE_OPTIONS[section.kind]} {ignored} {ALWAYS_IGNORED}".split()
    for option, value in section.options.items():
        if option not in known_options and value != NEUTRAL_VALUES.get(option):
            raise section.error(f"option {option}={value} is not supported.")
    activation = section.options.get("activation", "linear")
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise section.error(f"unknown activation {activation!r}; known are {known}.")


def _check_activation(section: Section, previous: Section) -> None:
    """Refuse ``new_coords`` after another activation, as in files for YOLOv4-CSP's first version.

    Darknet itself would read boxes from values that are not between 0 and 1.
    """
    activation = previous.options.get("activation")
    is_new = section.kind == "yolo" and bool(section.integer("new_coords", 0))
    if is_new and previous.kind == "convolutional" and activation != "logistic":
        raise section.error(
            "new_coords=1 expects activation=logistic in the section before, "
            f"received {activation or 'none'}."
        )


def _yolo_layer(section: Section) -> YoloLayer:
    anchors, mask = section.floats("anchors"), section.integers("mask")
    num, num_classes = section.integer("num"), section.integer("classes")
    if len(anchors) != 2 * num or not all(0 <= index < num for index in mask):
        raise section.error(
            f"expected {2 * num} numbers in anchors and a mask below num={num}, "
            f"received {len(anchors)} numbers and the mask {mask}."
        )
    if num_classes < 1:
        raise section.error(f"classes must be at least 1, received {num_classes}.")
    return YoloLayer(
        anchors_wh=np.array(anchors, np.float32).reshape(-1, 2)[mask],
        num_classes=num_classes,
        scale_x_y=section.floats("scale_x_y")[0] if "scale_x_y" in section.options else 1.0,
        new_coords=bool(section.integer("new_coords", 0)),
    )
