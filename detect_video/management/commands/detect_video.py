"""``manage.py detect_video``: detection on a video file, without a server."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from detect_video.exports import detections_of, jsonl_line
from detect_video.jobs.pipeline import detect_frames, open_frames
from detect_video.video.reader import VideoFrame, VideoInfo
from detect_video.video.rendering import render_video
from ml_core.errors import VisionError
from ml_core.management.arguments import unit_interval
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Detection, Detections
from ml_core.tracking.overlay import VideoOverlay
from ml_core.tracking.regions import InvalidRegion, Region, parse_line, parse_zone
from ml_core.tracking.summary import Summary
from ml_core.tracking.table import to_csv
from ml_core.tracking.tracks import FrameDetections, VideoTracks, ids_by_frame
from web.rest.serializers import boxes_as_json

# Codec by suffix of the output file.
CODEC_OF = {".avi": "mjpg", ".mp4": "h264"}


class Command(BaseCommand):
    help = (
        "Detect objects in every frame of a video. Save a copy with the boxes drawn, the results, "
        "or a table of the tracked objects with what they crossed and entered."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH", help="the video")
        parser.add_argument(
            "--output",
            type=_target,
            metavar="OUT.avi",
            help="output video: .avi (Motion JPEG) or .mp4 (H.264)",
        )
        parser.add_argument(
            "--jsonl", type=Path, metavar="FILE", help="save the results, one line per frame"
        )
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="save tracks, crossings and visits as a table"
        )
        parser.add_argument(
            "--tracks", action="store_true", help="track objects: in --output and --jsonl, too"
        )
        parser.add_argument(
            "--line",
            type=_region(parse_line),
            action="append",
            default=[],
            metavar="X1,Y1,X2,Y2",
            help="count what crosses this line, in pixels; repeatable",
        )
        parser.add_argument(
            "--zone",
            type=_region(parse_zone),
            action="append",
            default=[],
            metavar="X1,Y1,X2,Y2,X3,Y3,...",
            help="count what enters this zone, in pixels; repeatable",
        )
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument("--score-threshold", type=unit_interval, default=DRAWN_SCORE_THRESHOLD)

    def handle(self, *args: Any, **options: Any) -> None:
        source = options["path"]
        targets = [options[name] for name in ("output", "jsonl", "csv") if options[name]]
        if not (targets or options["tracks"] or options["line"] or options["zone"]):
            raise CommandError(
                "Nothing would be saved; choose an --output, --jsonl or --csv, or --tracks."
            )
        if not source.is_file():
            raise CommandError(f"{source}: there is no such file.")
        for target in targets:
            if target.exists() and target.samefile(source):
                raise CommandError(f"{target} would be overwritten; choose another file.")
        try:
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            self._run(options)
        except VisionError as exc:
            raise CommandError(f"{source}: {exc}") from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename or source}: {exc.strerror}") from exc

    def _run(self, options: dict[str, Any]) -> None:
        wanted = options["csv"], options["line"], options["zone"]
        options["tracks"] = options["tracks"] or any(wanted)
        frames, model, size_wh = self._detect(options)
        overlay = None
        if options["tracks"]:
            found = FrameDetections.none()
            if frames:
                found = found.extended(
                    (frame["pts_us"] / 1_000_000, frame["detections"]) for frame in frames
                )
            ids = VideoTracks(options["score_threshold"]).extend(found)
            overlay = VideoOverlay(found, ids, lines=options["line"], zones=options["zone"])
            for frame, of_frame in zip(frames, ids_by_frame(found, ids), strict=True):
                for detection, track_id in zip(frame["detections"], of_frame, strict=True):
                    detection["track_id"] = track_id
            self._report(Summary(found, ids), options)
        if options["tracks"] and options["jsonl"]:
            with options["jsonl"].open("w", encoding="utf-8") as jsonl:
                jsonl.writelines(
                    jsonl_line(options["path"].name, model, size_wh, frame) for frame in frames
                )
        if options["output"]:
            self._render(options, frames, overlay)

    def _detect(self, options: dict[str, Any]) -> tuple[list[dict], str, tuple[int, int]]:
        """The results of all frames, the model's name, and the video's (width, height).

        Without tracks, these are the detections above the threshold; ``--jsonl`` receives all.
        """
        frames: list[dict] = []
        model = ""
        path, threshold = options["path"], options["score_threshold"]
        is_later = options["tracks"] or not options["jsonl"]
        with (
            open_frames(path, model=options["model"]) as reader,
            Path(os.devnull if is_later else options["jsonl"]).open("w", encoding="utf-8") as jsonl,
            tqdm(total=_frames(reader.info), desc="Detecting", unit="frame", disable=None) as bar,
        ):
            size_wh = reader.info.width, reader.info.height
            for parse, regions in ((parse_line, options["line"]), (parse_zone, options["zone"])):
                for region in regions:
                    parse(region, size_wh)
            for found in detect_frames(
                reader, resolution_wh=size_wh, model=options["model"], queue_key="local"
            ):
                for frame, detections in found:
                    model = detections.model
                    result = _stored(len(frames), frame, detections)
                    jsonl.write(jsonl_line(path.name, model, size_wh, result))
                    shown = detections if options["tracks"] else detections.filtered(threshold)
                    frames.append(_stored(len(frames), frame, shown))
                bar.update(len(found))
        if reader.truncated:
            self.stderr.write(f"{path}: {reader.truncated}")
        return frames, model, size_wh

    def _report(self, summary: Summary, options: dict[str, Any]) -> None:
        """Print the counts, and save them as ``--csv``."""
        counts = summary.counts(options["line"], options["zone"])
        for one in counts["classes"]:
            self.stdout.write(
                f"{one['class_name']}: {one['objects']} objects, {one['most_at_once']} at once, "
                f"longest stay {one['longest_stay_s']} s"
            )
        for number, line in enumerate(counts["lines"], 1):
            for one in line["counts"]:
                self.stdout.write(
                    f"line {number}, {one['class_name']}: in {one['in']}, out {one['out']}"
                )
        for number, zone in enumerate(counts["zones"], 1):
            for one in zone["counts"]:
                self.stdout.write(
                    f"zone {number}, {one['class_name']}: {one['entries']} entries, longest "
                    f"{one['longest_dwell_s']} s"
                )
        if options["csv"]:
            options["csv"].write_text(to_csv(summary.tracks(), counts), encoding="utf-8")

    def _render(
        self, options: dict[str, Any], frames: list[dict], overlay: VideoOverlay | None
    ) -> None:
        target = options["output"]
        by_pts_us = {frame["pts_us"]: frame for frame in frames}

        def shown(pts_us: int) -> list[Detection]:
            frame = by_pts_us.get(pts_us, {"detections": []})
            found = detections_of(frame)
            return [one for one in found if one.score >= options["score_threshold"]]

        with tqdm(total=len(frames), desc="Saving", unit="frame", disable=None) as bar:

            def on_frame(frames: int) -> None:
                bar.update(frames - bar.n)

            render_video(
                options["path"],
                target,
                shown,
                codec=CODEC_OF[target.suffix.lower()],
                overlay_by_pts_us=lambda us: overlay.at(us / 1_000_000) if overlay else None,
                on_frame=on_frame,
            )
        self.stdout.write(f"{target}: {len(frames)} frames")


def _stored(frame_index: int, frame: VideoFrame, found: Detections) -> dict[str, Any]:
    """A frame's result, as a stored one."""
    detections = boxes_as_json(found.detections)
    return {"frame_index": frame_index, "pts_us": frame.pts_us, "detections": detections}


def _frames(info: VideoInfo) -> int | None:
    """The expected number of frames, for the progress bar's estimate."""
    return info.frames_hint or (round(info.duration_s * info.rate) if info.duration_s else None)


def _target(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in CODEC_OF:
        raise ArgumentTypeError(f"expected a file named .avi or .mp4, received {text}")
    return path


def _region(parse: Callable[[str], Region]) -> Callable[[str], Region]:
    """The type of an argument that is a line or a zone."""

    def region(text: str) -> Region:
        try:
            return parse(text)
        except InvalidRegion as exc:
            raise ArgumentTypeError(exc.detail) from exc

    return region
