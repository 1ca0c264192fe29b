"""Adapt a network description (``.cfg``) to the data that it will be trained on."""

import numpy as np

from ml_core.networks.darknet_cfg import parse_config
from ml_core.training.detection.anchors import cluster_anchors

# The stride of the coarsest feature map, in pixels.
STRIDE = 32


def fit_config(text: str, *, side: int, num_classes: int, sizes_rel_wh: np.ndarray) -> str:
    """Set input size, number of classes and anchors in the text of a ``.cfg`` file.

    ``side`` is in pixels, a multiple of 32; ``sizes_rel_wh`` are the (N, 2) sizes of all boxes,
    relative to their pictures, N at least 1. Raises ``DarknetError``.
    """
    config = parse_config(text)
    # Training stretches the pictures, so inference must do the same.
    net = {"width": str(side), "height": str(side), "letter_box": "0"}
    changes = {-1: net}
    for head in (section for section in config.sections if section.kind == "yolo"):
        before = config.sections[head.index - 1]
        if before.kind != "convolutional":
            raise head.error(f"expected [convolutional] in front of it, received [{before.kind}].")
        activation = before.options.get("activation", "linear")
        if activation != "linear" or head.integer("new_coords", 0):
            raise before.error(
                "training expects activation=linear in front of [yolo], and no new_coords=1; "
                f"received activation={activation}."
            )
        anchors = cluster_anchors(sizes_rel_wh * side, head.integer("num"))
        changes[head.index] = {
            "anchors": ", ".join(f"{width:.1f},{height:.1f}" for width, height in anchors),
            "classes": str(num_classes),
        }
        filters = len(head.integers("mask")) * (5 + num_classes)
        changes[before.index] = {"filters": str(filters)}
    return replace_options(text, changes)


def replace_options(text: str, changes: dict[int, dict[str, str]]) -> str:
    """Replace the values of existing options, by section index; [net] is -1."""
    lines = []
    index = -2
    for line in text.splitlines():
        content = line.split("#")[0].split(";")[0].strip()
        index += content.startswith("[")
        key = content.partition("=")[0].strip()
        if key in changes.get(index, {}):
            line = f"{key}={changes[index][key]}"
        lines.append(line)
    return "\n".join(lines) + "\n"
