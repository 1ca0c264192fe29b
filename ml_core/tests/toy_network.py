"""A Darknet network whose answers can be told by heart, for tests without trained weights.

It looks at a 96 x 96 picture in nine cells of 32 x 32: a red cell is a "tomato", a blue one a
"plum", and the box is the cell. Grey, black and white are background.
"""

from pathlib import Path

import numpy as np
from PIL import Image

NAME = "toy"
CONFIG = """\
[net]
width=96
height=96
channels=3

[convolutional]
filters=7
size=32
stride=32
pad=0
activation=linear

[yolo]
mask=0
anchors=32,32
classes=2
num=1
"""
LABELS = ("tomato", "plum")
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def install_toy_network(model_dir: Path) -> None:
    """Put the network into ``model_dir`` as a user would his own."""
    folder = model_dir / NAME
    folder.mkdir(parents=True)
    folder.joinpath("toy.cfg").write_text(CONFIG)
    folder.joinpath("toy.names").write_text("\n".join(LABELS) + "\n")

    # Logits of x, y, width, height, objectness, tomato, plum from the cell's mean red,
    # green and blue: the box fills its cell, and objects are what is red or blue, not green.
    weights = np.zeros((7, 3), np.float32)
    weights[4] = 20, -40, 20
    weights[5] = 20, 0, -20
    weights[6] = -20, 0, 20
    biases = np.array([0, 0, 0, 0, -10, 0, 0], np.float32)
    kernels = np.repeat(weights / 32**2, 32**2, axis=1)
    with folder.joinpath("toy.weights").open("wb") as file:
        for array in (np.array([0, 2, 0, 0, 0], np.int32), biases, kernels):
            array.tofile(file)


def cells_picture(
    cells: dict[tuple[int, int], tuple[int, int, int]], side: int = 96
) -> Image.Image:
    """A square grey picture whose (column, row) cells of three by three have those colours."""
    picture = Image.new("RGB", (side, side), GREY)
    cell = side // 3
    for (column, row), colour in cells.items():
        picture.paste(colour, (column * cell, row * cell, (column + 1) * cell, (row + 1) * cell))
    return picture
