"""Draw what tracked objects did: their tails, and lines and zones with their counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

LINE_COLOUR = (255, 255, 255)
EDGE_COLOUR = (0, 0, 0)
ZONE_FILL = (255, 255, 255, 50)


@dataclass(frozen=True)
class Overlay:
    """What is drawn below the boxes of a frame.

    ``tails`` are track ids with (n, 2) points, the oldest first, or None where tracks are not
    shown; ``lines`` and ``zones`` are
    coordinates, x and y in turn, with the text of their counts. All are in pixels.
    """

    tails: Sequence[tuple[int, np.ndarray]] | None
    lines: Sequence[tuple[Sequence[float], str]]
    zones: Sequence[tuple[Sequence[float], str]]


def draw_overlay(
    draw: ImageDraw.ImageDraw,
    overlay: Overlay,
    *,
    colour_of: Callable[[int], tuple[int, int, int]],
    write: Callable[[tuple[float, float], str], None],
    line_width: int,
) -> None:
    """Draw zones, then lines, then tails; ``write`` puts a text at a point.

    ``colour_of`` is the colour of a track.
    """
    for zone, _ in overlay.zones:
        corners = list(zip(zone[::2], zone[1::2], strict=True))
        draw.polygon(corners, fill=ZONE_FILL)
        _draw_line(draw, [*corners, corners[0]], line_width)
    for line, _ in overlay.lines:
        _draw_line(draw, [(line[0], line[1]), (line[2], line[3])], line_width)
    for track_id, points in overlay.tails or ():
        draw.line([(x, y) for x, y in points.tolist()], colour_of(track_id), line_width, "curve")
    for zone, text in overlay.zones:
        write((float(np.mean(zone[::2])), float(np.mean(zone[1::2]))), text)
    for line, text in overlay.lines:
        write(((line[0] + line[2]) / 2, (line[1] + line[3]) / 2), text)


def _draw_line(
    draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], line_width: int
) -> None:
    """A white line with black edges, which shows on any background."""
    draw.line(points, EDGE_COLOUR, 3 * line_width, "curve")
    draw.line(points, LINE_COLOUR, line_width, "curve")
