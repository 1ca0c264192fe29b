"""Tracks before one camera: its settings, and what its results gain by them. Nothing is stored."""

import asyncio
import json
from typing import Any

from detect_camera.frames import BadFrameMessage
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Detections
from ml_core.tracking.live import LiveTracks
from ml_core.tracking.regions import (
    MAX_LINES,
    MAX_ZONES,
    SHARES,
    Region,
    parse_line,
    parse_zone,
)

MAX_CHARACTERS = 20_000
KNOWN = {"type", "tracks", "lines", "zones", "score_threshold"}


class CameraTracks:
    """Off until a client's message of the type "settings" turns it on."""

    def __init__(self) -> None:
        self._tracks: LiveTracks | None = None
        self._last_sequence = -1
        # A thread may still be busy with the previous frame.
        self._turn = asyncio.Lock()

    async def configure(self, text: str) -> None:
        """Follow a message with ``tracks``, ``lines``, ``zones`` and ``score_threshold``.

        Coordinates are shares of a frame's width and height: frames may have several sizes.
        Another threshold begins new tracks and counts; other lines and zones leave the tracks, and
        the counts at those that stay, as they are. Raises ``BadFrameMessage``, ``InvalidRegion``.
        """
        message = _parse(text)
        lines = _regions(message, "lines", MAX_LINES, parse_line)
        zones = _regions(message, "zones", MAX_ZONES, parse_zone)
        threshold = message.get("score_threshold", DRAWN_SCORE_THRESHOLD)
        if not _is_number(threshold) or not 0 <= threshold <= 1:
            raise BadFrameMessage('Expected a number from 0 to 1 as "score_threshold".')
        async with self._turn:
            if not message.get("tracks", False):
                self._tracks = None
                return
            if self._tracks is None or self._tracks.score_threshold != threshold:
                self._tracks = LiveTracks(threshold)
            self._tracks.set_regions(lines, zones)

    async def add_to(
        self, result: dict[str, Any], found: Detections, *, sequence: int, time_s: float
    ) -> None:
        """Add ``track_id`` to the detections of a result, and ``counts`` at lines and zones.

        ``time_s`` is that of the frame. A frame that is overtaken by a later one is not tracked.
        """
        async with self._turn:
            if self._tracks is None:
                return
            ids: list[int | None] = [None] * len(found.detections)
            if sequence > self._last_sequence:
                self._last_sequence = sequence
                update = self._tracks.update
                ids, counts = await asyncio.to_thread(update, found, time_s)
                if counts:
                    result["counts"] = counts
        for detection, track_id in zip(result["detections"], ids, strict=True):
            detection["track_id"] = track_id


def _parse(text: str) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise BadFrameMessage(f"Settings may have at most {MAX_CHARACTERS:,} characters.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadFrameMessage("Expected a frame or JSON text, received another text.") from exc
    if not isinstance(message, dict) or message.get("type") != "settings":
        raise BadFrameMessage('Expected an object whose "type" is "settings".')
    unknown = sorted(set(message) - KNOWN)
    if unknown:
        raise BadFrameMessage(
            f"Expected settings of {', '.join(sorted(KNOWN))}; received {unknown[0]!a:.60}."
        )
    if not isinstance(message.get("tracks", False), bool):
        raise BadFrameMessage('Expected true or false as "tracks".')
    return message


def _regions(message: dict[str, Any], name: str, most: int, parse: Any) -> list[Region]:
    regions = message.get(name, [])
    if not isinstance(regions, list) or len(regions) > most:
        raise BadFrameMessage(f'Expected a list of at most {most} as "{name}".')
    return [parse(region, SHARES) for region in regions]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
