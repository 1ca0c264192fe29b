"""A drawn street: figures that cross, stop, hide behind each other and leave, with the truth.

Every figure has a shade of its own, by which a detector of the test finds what is visible of it:
its boxes shrink and its scores sink while it is half hidden, as those of a network do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 30, 300
PERSON, CAR, BICYCLE = 0, 2, 1
NAMES = {PERSON: "person", CAR: "car", BICYCLE: "bicycle"}
VISIBLE = 0.25


@dataclass(frozen=True)
class Figure:
    """Something of ``size_wh`` pixels; ``place`` is the middle of its lower edge in a frame."""

    class_id: int
    size_wh: tuple[int, int]
    place: Callable[[int], tuple[float, float]]
    first: int = 0
    last: int = FRAMES - 1


def _stops(frame: int) -> tuple[float, float]:
    """Walks to the right, stands for two seconds, walks on."""
    walked = min(frame, 40) + max(0, frame - 100)
    return 100 + 2 * walked, 300


# The later ones are in front.
FIGURES = (
    # Two persons who meet, one in front of the other. The first one also passes behind the last.
    Figure(PERSON, (40, 100), lambda i: (60 + 2 * i, 250), last=290),
    Figure(PERSON, (44, 108), lambda i: (600 - 2 * i, 258), last=295),
    # A car that passes behind a parked one, of which it is half hidden, and leaves.
    Figure(CAR, (140, 50), lambda i: (-50 + 5 * i, 130), first=12, last=130),
    Figure(CAR, (90, 60), lambda i: (330, 140)),
    # A bicycle that comes from the right, and another one later at the same place.
    Figure(BICYCLE, (80, 50), lambda i: (640 - 3 * (i - 20), 350), first=20, last=60),
    Figure(BICYCLE, (80, 50), lambda i: (640 - 3 * (i - 150), 350), first=150, last=299),
    Figure(PERSON, (46, 120), _stops, last=280),
)


def shade(number: int) -> int:
    return 100 + 20 * number


def true_box(figure: Figure, frame: int) -> np.ndarray:
    """The (4,) xyxy box of a whole figure, cut off at the borders of the picture."""
    x, y = figure.place(frame)
    width, height = figure.size_wh
    box = np.array([x - width / 2, y - height, x + width / 2, y])
    return np.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


def picture(frame: int) -> np.ndarray:
    """The (H, W) uint8 picture of a frame, on a black ground."""
    image = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for number, figure in enumerate(FIGURES):
        if figure.first <= frame <= figure.last:
            x, y = figure.place(frame)
            width, height = figure.size_wh
            draw.rectangle((x - width / 2, y - height, x + width / 2, y), fill=shade(number))
    return np.asarray(image)


@dataclass(frozen=True)
class Frame:
    """The detections of a frame, and the (4,) true boxes by number of the visible figures."""

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    truth: dict[int, np.ndarray]


def frames() -> Iterator[Frame]:
    """All frames, with noise, missed objects, faint clutter, and objects that are seen once."""
    random = np.random.default_rng(7)
    for frame in range(FRAMES):
        pixels = picture(frame)
        found, truth = [], {}
        for number, figure in enumerate(FIGURES):
            rows, columns = np.nonzero(pixels == shade(number))
            share = len(rows) / (figure.size_wh[0] * figure.size_wh[1])
            if share < VISIBLE:
                continue
            truth[number] = true_box(figure, frame)
            if random.random() < 0.03:
                continue
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            score = min(0.97, 0.9 * share + random.normal(0, 0.03))
            found.append((box + random.normal(0, 1.2, 4), score, figure.class_id))
        for _ in range(random.integers(0, 8)):
            found.append((_anywhere(random), random.uniform(0.05, 0.25), random.choice([*NAMES])))
        if random.random() < 0.05:
            found.append((_anywhere(random), 0.7, random.choice([*NAMES])))
        found.sort(key=lambda one: -one[1])
        boxes, scores, class_ids = zip(*found, strict=True)
        yield Frame(np.array(boxes), np.array(scores), np.array(class_ids), truth)


def _anywhere(random: np.random.Generator) -> np.ndarray:
    corner, size = random.uniform([0, 0], [WIDTH - 60, HEIGHT - 60]), random.uniform(20, 60, 2)
    return np.concatenate([corner, corner + size])
