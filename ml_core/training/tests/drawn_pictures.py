"""Small synthetic labelled pictures: discs, bars and rings in random colours."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

LABELS = ("bar", "disc", "ring")


def drawn_picture(label: str, rng: np.random.Generator, side: int = 32) -> Image.Image:
    """A shape at a random position, in a random light colour on a random dark one."""
    picture = Image.new("RGB", (side, side), tuple(rng.integers(0, 80, 3)))
    draw = ImageDraw.Draw(picture)
    colour = tuple(rng.integers(150, 256, 3))
    left, top = rng.integers(2, side // 3, 2)
    box = (left, top, left + side // 2, top + side // 2)
    if label == "disc":
        draw.ellipse(box, fill=colour)
    elif label == "ring":
        draw.ellipse(box, outline=colour, width=side // 10)
    else:
        draw.rectangle((left, top, left + side // 6, top + side // 2), fill=colour)
    return picture


def draw_tree(folder: Path, count: int, *, side: int = 32, seed: int = 0) -> Path:
    """Write ``folder/LABEL/NN.png``, ``count`` pictures of each label."""
    rng = np.random.default_rng(seed)
    for label in LABELS:
        folder.joinpath(label).mkdir(parents=True)
        for number in range(count):
            drawn_picture(label, rng, side).save(folder / label / f"{number:02}.png")
    return folder
