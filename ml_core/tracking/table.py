"""Tracks and counts as one table."""

import csv
import io
from typing import Any

COLUMNS = (
    "event",
    "region",
    "track_id",
    "class_id",
    "class_name",
    "frame_index",
    "pts_s",
    "until_frame_index",
    "duration_s",
    "direction",
)


def to_csv(tracks: list[dict[str, Any]], counts: dict[str, Any]) -> str:
    """CSV with a row per object, crossing of a line and visit of a zone, in order of time.

    ``event`` is "track", "crossing" or "visit", ``region`` the number of the line or zone, from 1.
    ``until_frame_index`` is the last frame of a track, and that in which a visitor left the zone.
    """
    rows = [
        {
            "event": "track",
            **track,
            "frame_index": track["first_frame"],
            "pts_s": track["first_s"],
            "until_frame_index": track["last_frame"],
            "duration_s": round(track["last_s"] - track["first_s"], 3),
        }
        for track in tracks
    ]
    for number, line in enumerate(counts["lines"], 1):
        rows += [{"event": "crossing", "region": number, **one} for one in line["crossings"]]
    for number, zone in enumerate(counts["zones"], 1):
        rows += [
            {
                "event": "visit",
                "region": number,
                **one,
                "until_frame_index": one["left_frame_index"],
                "duration_s": one["dwell_s"],
            }
            for one in zone["entries"]
        ]
    output = io.StringIO()
    table = csv.DictWriter(output, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(sorted(rows, key=lambda row: row["frame_index"]))
    return output.getvalue()
