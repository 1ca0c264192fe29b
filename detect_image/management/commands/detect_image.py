"""``manage.py detect_image``: detect objects in picture files without a server."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from detect_image.services import DetectOptions, detect_in_file
from ml_core.catalog import selection
from ml_core.errors import ModelNotInstalled, ModelUnusable, UnknownModel, VisionError
from ml_core.evaluation.augmented_detection import AugmentedDetector
from ml_core.management.arguments import unit_interval
from ml_core.networks.loading import NETWORK_ERRORS
from ml_core.pictures.display import has_display, show_picture
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.images import PICTURE_SUFFIXES, decode_image
from ml_core.pictures.limits import image_limits
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD, IOU_THRESHOLD
from ml_core.results import Detections
from web import exports

# Formats with one file per picture: suffix and writer.
PER_PICTURE: dict[str, tuple[str, Callable[[str, Detections], str]]] = {
    "yolo": (".txt", lambda name, found: exports.to_yolo(found)),
    "yolo-scores": (".txt", lambda name, found: exports.to_yolo(found, with_scores=True)),
    "voc": (".xml", exports.to_voc),
}
# Formats with one file for all pictures: file name and writer.
PER_RUN: dict[str, tuple[str, Callable[[list[exports.Named]], str]]] = {
    "coco": ("annotations.json", exports.to_coco),
    "csv": ("detections.csv", exports.to_csv),
}
STREAMED = {"text": exports.to_text, "json": exports.to_jsonl}


@dataclass(frozen=True)
class Picture:
    """A picture file, its name in the results, and the path of its annotated copy, if saved."""

    path: Path
    name: str
    target: Path | None


class Command(BaseCommand):
    help = "Detect objects in pictures: print the results, save or display the drawn pictures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="picture or folder")
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument("--score-threshold", type=unit_interval, default=DRAWN_SCORE_THRESHOLD)
        parser.add_argument("--iou-threshold", type=unit_interval, default=IOU_THRESHOLD)
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="folder for drawn pictures and results"
        )
        parser.add_argument(
            "--format",
            default="text",
            choices=[*STREAMED, *PER_PICTURE, *PER_RUN],
            help=(
                "output format, printed and with --output also saved; json is one line per picture"
            ),
        )
        parser.add_argument(
            "--show",
            action="store_true",
            help="display each picture in a window (Esc or q closes it)",
        )
        parser.add_argument(
            "--no-pictures", action="store_true", help="with --output, save the results only"
        )
        parser.add_argument(
            "--flip",
            action="store_true",
            help="detect in the mirrored picture, too: finds more objects",
        )
        parser.add_argument(
            "--scales",
            nargs="+",
            type=float,
            default=[1.0],
            metavar="SCALE",
            help="detect at these multiples of the model's input size, such as 1 1.5",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["show"] and not has_display():
            self.stderr.write("No display is available, so no window is shown.")
            options["show"] = False
        options["detector"] = _augmented_detector(options)
        pictures = _find_pictures(options["paths"], options["output"])
        if not pictures:
            raise CommandError("No pictures were found in the given paths.")

        results: list[exports.Named] = []
        failures = 0
        with ThreadPoolExecutor(4) as threads:
            # Threads overlap decoding and drawing with inference; windows are shown one by one.
            process_all = map if options["show"] else threads.map
            outcomes = process_all(partial(_process, options), pictures)
            progress = tqdm(outcomes, total=len(pictures), disable=None, unit="picture")
            for picture, outcome in zip(pictures, progress, strict=True):
                with tqdm.external_write_mode():
                    if isinstance(outcome, Exception):
                        failures += 1
                        self.stderr.write(f"{_text(picture.path)}: {outcome}")
                        continue
                    if outcome.is_truncated:
                        path = _text(picture.path)
                        self.stderr.write(
                            f"{path}: the file is truncated; only the part that could be read was "
                            f"used."
                        )
                    results.append((picture.name, outcome))
                    self._print(picture, outcome, options["format"])
        if options["format"] in PER_RUN:
            file_name, export = PER_RUN[options["format"]]
            text = export(results)
            self.stdout.write(text, ending="")
            if options["output"]:
                options["output"].mkdir(parents=True, exist_ok=True)
                options["output"].joinpath(file_name).write_text(text, encoding="utf-8")
        if failures:
            raise CommandError(f"{failures} of {len(pictures)} pictures failed.")

    def _print(self, picture: Picture, found: Detections, format_name: str) -> None:
        if format_name in STREAMED:
            self.stdout.write(STREAMED[format_name](_text(picture.path), found), ending="")
        elif format_name in PER_PICTURE:
            self.stdout.write(PER_PICTURE[format_name][1](picture.name, found), ending="")


def _process(options: dict[str, Any], picture: Picture) -> Detections | VisionError | OSError:
    """Detect objects in one picture, and save and show the result.

    Errors of a single picture are returned, so that the other pictures are still processed.
    """
    path, target = picture.path, picture.target
    try:
        drawn_path = None if options["no_pictures"] else target
        is_drawn = bool(drawn_path or options["show"])
        image, found = _detect(options, path.read_bytes(), is_drawn=is_drawn)
        if target:
            target.parent.mkdir(parents=True, exist_ok=True)
            _save_result(picture.name, found, target, options["format"])
        if is_drawn:
            drawn = draw_detections(image, found.detections)
            if drawn_path:
                drawn.save(drawn_path, quality=92)
            if options["show"]:
                show_picture(drawn, path.name)
    except (ModelNotInstalled, ModelUnusable, UnknownModel) as exc:
        raise CommandError(str(exc)) from exc
    except VisionError as exc:
        return exc
    except OSError as exc:
        return OSError(exc.strerror)
    return found


def _detect(
    options: dict[str, Any], data: bytes, *, is_drawn: bool
) -> tuple[np.ndarray, Detections]:
    thresholds = options["score_threshold"], options["iou_threshold"]
    detector = options["detector"]
    if detector is None:
        detect_options = DetectOptions(options["model"], *thresholds)
        return detect_in_file(data, detect_options, queue_key="local", is_drawn=is_drawn)
    image = decode_image(data, image_limits())
    score_threshold, iou_threshold = thresholds
    return image, detector.detect(
        image, score_threshold=score_threshold, iou_threshold=iou_threshold
    )


def _augmented_detector(options: dict[str, Any]) -> AugmentedDetector | None:
    """The detector for test-time augmentation, or None when no augmentation is requested."""
    if not options["flip"] and options["scales"] == [1.0]:
        return None
    try:
        spec = selection.find("detection", options["model"])
        selection.check_usable(spec)
        return AugmentedDetector(
            spec,
            flip=options["flip"],
            scales=options["scales"],
            kind=settings.ENGINE,
            # int8 models are quantized for one input size.
            precision="auto" if settings.PRECISION == "int8" else settings.PRECISION,
            cache_dir=settings.CONVERTED_DIR,
        )
    except (VisionError, *NETWORK_ERRORS) as exc:
        raise CommandError(str(exc)) from exc


def _save_result(name: str, found: Detections, target: Path, format_name: str) -> None:
    if format_name in PER_PICTURE:
        suffix, export = PER_PICTURE[format_name]
        target.with_suffix(suffix).write_text(export(name, found), encoding="utf-8")


def _find_pictures(paths: Iterable[Path], output: Path | None) -> list[Picture]:
    """List the pictures with unique names and targets; directory structure is preserved."""
    found = [
        (picture, picture.relative_to(path) if path.is_dir() else Path(picture.name))
        for path in paths
        for picture in (_pictures_in(path) if path.is_dir() else [path])
    ]
    originals = {picture.resolve() for picture, _ in found}
    times_used = Counter(relative for _, relative in found)
    taken: set[str] = set()
    pictures = []
    for path, relative in found:
        name = _text(path if times_used[relative] > 1 else relative)
        target = None
        if output:
            target = _free_target(output / relative, taken)
            is_original = target.exists() and target.samefile(path)
            if is_original or target.resolve() in originals:
                raise CommandError(f"{target} would be overwritten; choose another --output.")
        pictures.append(Picture(path, name, target))
    return pictures


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)


def _free_target(target: Path, taken: set[str]) -> Path:
    """``target``, numbered if its name without the suffix is taken: results share that name."""
    if target.suffix.lower() not in PICTURE_SUFFIXES:
        target = target.with_name(f"{target.name}.jpg")
    stem, number = target.stem, 2
    # Many file systems are case-insensitive.
    while (key := str(target.with_suffix("")).casefold()) in taken:
        target = target.with_stem(f"{stem}-{number}")
        number += 1
    taken.add(key)
    return target


def _text(path: Path) -> str:
    """A path as valid UTF-8 text, also when its bytes are not."""
    return path.as_posix().encode("utf-8", "replace").decode()
