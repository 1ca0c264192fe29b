"""Synthetic labelled pictures for detectors: red discs and blue rectangles on grey."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("disc", "block")
COLOURS = ((220, 30, 30), (30, 30, 220))

# A minimal network with two scales, shortcuts and depthwise convolutions.
TINY = """\
[net]
width=64
height=64
channels=3
{convolutions}
[convolutional]
filters=21
size=1
stride=1
activation=linear

[yolo]
mask=1,2
anchors=10,10, 20,20, 40,40
classes=80
num=3

[route]
layers=-3

[upsample]
stride=2

[convolutional]
filters=21
size=1
stride=1
activation=linear

[yolo]
mask=0
anchors=10,10, 20,20, 40,40
classes=80
num=3
"""


def tiny_config() -> str:
    """A network with heads at a sixteenth and an eighth of the input's resolution."""
    layers = []
    for before, after in ((0, 8), (8, 16), (16, 32), (32, 48)):
        if before:
            layers.append(_convolution(before, size=3, stride=2, groups=before))
        layers.append(_convolution(after, size=1) if before else _convolution(8, size=3, stride=2))
    layers += [_convolution(48, size=3, groups=48), _convolution(48, size=1)]
    layers.append("[shortcut]\nfrom=-3\nactivation=linear\n")
    return TINY.format(convolutions="\n".join(layers))


def _convolution(filters: int, *, size: int, stride: int = 1, groups: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\ngroups={groups}\nactivation=leaky\n"
    )


def draw_scenes(folder: Path, count: int, *, side: int = 64, seed: int = 0) -> Path:
    """Write ``folder/images/NN.png`` and ``labels/NN.txt``, one disc and one block in each."""
    rng = np.random.default_rng(seed)
    for name in ("images", "labels"):
        folder.joinpath(name).mkdir(parents=True)
    for number in range(count):
        picture = Image.new("RGB", (side, side), (128, 128, 128))
        draw = ImageDraw.Draw(picture)
        lines = []
        # One in each half, so that they never overlap.
        for place, class_id in enumerate(rng.permutation(2)):
            width, height = rng.integers(side // 5, side // 2 - 2, 2)
            left = place * side // 2 + rng.integers(0, side // 2 - width)
            top = rng.integers(0, side - height)
            corners = (left, top, left + width - 1, top + height - 1)
            shape = draw.ellipse if class_id == 0 else draw.rectangle
            shape(corners, fill=COLOURS[class_id])
            box = ((left + width / 2), (top + height / 2), width, height)
            lines.append(f"{class_id} " + " ".join(f"{value / side:.6f}" for value in box))
        picture.save(folder / "images" / f"{number:02}.png")
        folder.joinpath("labels", f"{number:02}.txt").write_text("\n".join(lines) + "\n")
    folder.joinpath("scenes.names").write_text("\n".join(NAMES) + "\n")
    folder.joinpath("tiny.cfg").write_text(tiny_config())
    return folder
