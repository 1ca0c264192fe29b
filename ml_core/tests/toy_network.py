"""A Darknet network with predictable detections, for tests without trained weights.

It divides a 96 x 96 picture into nine cells of 32 x 32: a red cell is a "tomato", a blue one a
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


def install_toy_network(
    model_dir: Path,
    name: str = NAME,
    labels: tuple[str, str] = LABELS,
    *,
    sees_blue: bool = True,
    box_side: int = 32,
) -> None:
    """Install the network in ``model_dir`` like a model of the user.

    ``box_side`` is the side of a box in the middle of its cell, in pixels of the input.
    """
    folder = model_dir / name
    folder.mkdir(parents=True)
    folder.joinpath("toy.cfg").write_text(
        CONFIG.replace("anchors=32,32", f"anchors={box_side},{box_side}")
    )
    folder.joinpath("toy.names").write_text("\n".join(labels) + "\n")

    # Logits of x, y, width, height, objectness, tomato and plum, computed from the cell's mean
    # red, green and blue: the box fills the cell, and red or blue cells are objects.
    weights = np.zeros((7, 3), np.float32)
    weights[4] = 20, -40, 20 if sees_blue else -40
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
    """A grey picture of three by three cells, of which those at (column, row) are coloured."""
    picture = Image.new("RGB", (side, side), GREY)
    cell = side // 3
    for (column, row), colour in cells.items():
        picture.paste(colour, (column * cell, row * cell, (column + 1) * cell, (row + 1) * cell))
    return picture
