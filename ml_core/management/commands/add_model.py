"""``manage.py add_model``: adds a trained model, after looking into its files and trying it."""

import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.model_toml import FILE_NAME, read_labels
from ml_core.decoders import LAYOUTS
from ml_core.errors import VisionError
from ml_core.inspection.adding import Places, Understood, add_model
from ml_core.inspection.answers import RESIZINGS, answers_from
from ml_core.inspection.checking import Checker
from ml_core.networks.loading import NETWORK_ERRORS
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.labelled_pictures import LabelError
from ml_core.pictures.samples import read_samples
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Classification

TOP = 5


class Command(BaseCommand):
    help = (
        "Add a trained model: Keras (.keras, .h5), ONNX, OpenVINO (.xml and .bin), TFLite, Darknet "
        "(.cfg and .weights), a SavedModel folder, or a zip archive of one. Says what it "
        "understood and why, tries it on a picture, and writes MODEL_DIR/NAME."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--name", default="", help="default: the file's name")
        parser.add_argument("--labels", type=Path, metavar="FILE", help="one class name per line")
        parser.add_argument(
            "--check",
            type=Path,
            metavar="SET",
            help="folder or zip archive of labelled pictures: tries what pixels may become (0 to "
            "1, 0 to 255, -1 to 1, ImageNet's mean; RGB, BGR) and takes the most accurate",
        )
        parser.add_argument("--dry-run", action="store_true", help="only try it, do not add it")
        parser.add_argument("--sample", type=Path, metavar="PICTURE", help="try it on this picture")
        parser.add_argument("--licence", default="", help="shown with the model")
        parser.add_argument("--origin", default="", help="where it comes from")
        says = parser.add_argument_group("what you know better than its files say")
        says.add_argument("--task", choices=("detection", "classification"))
        says.add_argument("--size", type=size, metavar="N or WxH", help="input in pixels")
        says.add_argument("--colours", choices=("RGB", "BGR", "grey"))
        says.add_argument(
            "--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="what pixels become"
        )
        says.add_argument("--mean", type=float, nargs="+", help="is subtracted after --range")
        says.add_argument("--std", type=float, nargs="+", help="is then divided by")
        says.add_argument("--resizing", choices=RESIZINGS)
        says.add_argument("--layout", choices=tuple(LAYOUTS), default="", help="of the outputs")
        says.add_argument("--activation", choices=("none", "softmax", "sigmoid"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._samples = read_samples(options["sample"])
            found = self._add(options)
        except (ModelFileError, LabelError, OSError, *NETWORK_ERRORS) as exc:
            raise CommandError(" ".join(str(exc).split())) from exc
        except VisionError as exc:
            raise CommandError(exc.detail) from exc
        for note in found.notes:
            self.stdout.write(str(note))
        self._write_answer(found)
        if options["dry_run"]:
            self.stdout.write("The model was not added (--dry-run).")
            return
        path = found.spec.directory / FILE_NAME
        self.stdout.write(f"{found.spec.name} is added. Correct {path} where it is wrong.")

    def _add(self, options: dict[str, Any]) -> Understood:
        return add_model(
            options["files"],
            self._samples,
            answers_from(
                {**options, "labels": read_labels(options["labels"]) if options["labels"] else None}
            ),
            Places(settings.MODEL_DIR, settings.CONVERTED_DIR, settings.LIMITS["model_bytes"]),
            name=options["name"],
            licence=options["licence"],
            origin=options["origin"],
            is_dry_run=options["dry_run"],
            check=_checker(options["check"]) if options["check"] else None,
        )

    def _write_answer(self, found: Understood) -> None:
        if isinstance(found.answer, Classification):
            text = ", ".join(f"{name} {score:.1%}" for _, name, score in found.answer.top(TOP))
            self.stdout.write(f"sample    {text}")
            return
        self.stdout.write(f"sample    {len(found.answer.detections)} boxes")
        shown = found.answer.filtered(DRAWN_SCORE_THRESHOLD).detections
        for detection in shown:
            box = ", ".join(f"{value:.0f}" for value in detection.box)
            self.stdout.write(f"          {detection.class_name} {detection.score:.1%} at {box}")
        drawn = draw_detections(self._samples["detection"], shown)
        path = Path(tempfile.gettempdir()) / f"{found.spec.name}-sample.jpg"
        drawn.save(path)
        self.stdout.write(f"          drawn in {path}")


def _checker(path: Path) -> Checker:
    bar = tqdm(disable=None, unit="picture")

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return Checker(path, progress)


def size(text: str) -> tuple[int, int]:
    """Width and height of ``640`` or ``640x480``. Raises ``ArgumentTypeError``."""
    sides = text.lower().split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isdecimal() for side in sides):
        raise ArgumentTypeError(f"expected 640 or 640x480, received {text}")
    return int(sides[0]), int(sides[-1])
