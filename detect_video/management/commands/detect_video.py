"""``manage.py detect_video``: detection on a video file, without a server."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from detect_video.exports import jsonl_line
from detect_video.jobs.pipeline import detect_frames, open_frames
from detect_video.video.reader import VideoFrame, VideoInfo
from detect_video.video.rendering import render_video
from ml_core.errors import VisionError
from ml_core.management.arguments import unit_interval
from ml_core.results import Detection, Detections
from web.rest.serializers import boxes_as_json

# Codec by suffix of the output file.
CODEC_OF = {".avi": "mjpg", ".mp4": "h264"}


class Command(BaseCommand):
    help = "Detect objects in every frame of a video and save a copy with the boxes drawn."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH", help="the video")
        parser.add_argument(
            "--output",
            type=_target,
            required=True,
            metavar="OUT.avi",
            help="output video: .avi (Motion JPEG) or .mp4 (H.264)",
        )
        parser.add_argument(
            "--jsonl", type=Path, metavar="FILE", help="save the results, one line per frame"
        )
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument("--score-threshold", type=unit_interval, default=0.25)

    def handle(self, *args: Any, **options: Any) -> None:
        source, target = options["path"], options["output"]
        if not source.is_file():
            raise CommandError(f"{source}: there is no such file.")
        if target.exists() and target.samefile(source):
            raise CommandError(f"{target} would be overwritten; choose another --output.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            detections = self._detect(options)
            self._render(source, target, detections)
        except VisionError as exc:
            raise CommandError(f"{source}: {exc}") from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename or source}: {exc.strerror}") from exc

    def _detect(self, options: dict[str, Any]) -> dict[int, list[Detection]]:
        """Detections above the threshold by timestamp; ``--jsonl`` receives all of them."""
        confident: dict[int, list[Detection]] = {}
        path, lines = options["path"], options["jsonl"] or Path(os.devnull)
        with (
            open_frames(path, model=options["model"]) as reader,
            lines.open("w", encoding="utf-8") as jsonl,
            tqdm(total=_frames(reader.info), desc="Detecting", unit="frame", disable=None) as bar,
        ):
            size_wh = reader.info.width, reader.info.height
            for found in detect_frames(
                reader, resolution_wh=size_wh, model=options["model"], queue_key="local"
            ):
                for frame, detections in found:
                    jsonl.write(_line(path.name, len(confident), frame, detections))
                    confident[frame.pts_us] = [
                        detection
                        for detection in detections.detections
                        if detection.score >= options["score_threshold"]
                    ]
                bar.update(len(found))
        if reader.truncated:
            self.stderr.write(f"{path}: {reader.truncated}")
        return confident

    def _render(self, source: Path, target: Path, confident: dict[int, list[Detection]]) -> None:
        with tqdm(total=len(confident), desc="Saving", unit="frame", disable=None) as bar:

            def on_frame(frames: int) -> None:
                bar.update(frames - bar.n)

            render_video(
                source,
                target,
                lambda pts_us: confident.get(pts_us, []),
                codec=CODEC_OF[target.suffix.lower()],
                show_names=True,
                show_scores=True,
                on_frame=on_frame,
            )
        self.stdout.write(f"{target}: {len(confident)} frames")


def _line(name: str, frame_index: int, frame: VideoFrame, found: Detections) -> str:
    stored = {
        "frame_index": frame_index,
        "pts_us": frame.pts_us,
        "detections": boxes_as_json(found.detections),
    }
    return jsonl_line(name, found.model, found.resolution_wh, stored)


def _frames(info: VideoInfo) -> int | None:
    """The expected number of frames, for the progress bar's estimate."""
    return info.frames_hint or (round(info.duration_s * info.rate) if info.duration_s else None)


def _target(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in CODEC_OF:
        raise ArgumentTypeError(f"expected a file named .avi or .mp4, received {text}")
    return path
