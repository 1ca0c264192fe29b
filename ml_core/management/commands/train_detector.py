"""``manage.py train_detector``: trains a detector on labelled pictures."""

import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ml_core.catalog import selection
from ml_core.catalog.installed import read_user_detector
from ml_core.errors import VisionError, manage_command
from ml_core.evaluation.accuracy import Accuracy, mean_average_precision
from ml_core.evaluation.augmented_detection import AugmentedDetector
from ml_core.networks.darknet_cfg import DarknetError
from ml_core.networks.loading import NETWORK_ERRORS, SCORE_FLOOR
from ml_core.pictures.labelled_pictures import (
    LabelError,
    LabelledPicture,
    read_image,
    read_labelled_pictures,
)
from ml_core.pictures.limits import image_limits
from ml_core.postprocessing import IOU_THRESHOLD
from ml_core.training.detection.state import DetectorState
from ml_core.training.settings import TrainingError
from ml_core.training.train_detector import VISION_SMALL, add_arguments, train

INTERRUPTED = 130
# The size of the header of a .weights file.
HEADER_BYTES = 20


class Command(BaseCommand):
    help = (
        "Train a YOLO network on pictures with labels in YOLO's text format. The result is a "
        "Darknet model with a model card; in MODEL_DIR it is installed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)
        parser.add_argument(
            "--model",
            default=str(VISION_SMALL),
            metavar="FILE.cfg|NAME",
            help=(
                "a network, or an installed model whose weights are the starting point (see "
                "list_models)"
            ),
        )
        parser.add_argument(
            "--output",
            type=Path,
            default=settings.MODEL_DIR / "own-detector",
            metavar="DIR",
            help="default: MODEL_DIR/own-detector; the folder's name is the model's",
        )
        parser.add_argument(
            "--evaluate-images", type=Path, metavar="DIR", help="evaluate the result on these"
        )
        parser.add_argument("--evaluate-labels", type=Path, metavar="DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["evaluate_images"]) != bool(options["evaluate_labels"]):
            raise CommandError("--evaluate-images and --evaluate-labels belong together.")
        output = options["output"]
        try:
            state = self._train(options)
            accuracy = self._evaluate(options, len(state.labels))
        except (VisionError, LabelError, TrainingError, OSError, *NETWORK_ERRORS) as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt as exc:
            raise CommandError(
                f"Stopped. {_resume_hint(options)}"
                if output.exists()
                else "Stopped before the first epoch.",
                returncode=INTERRUPTED,
            ) from exc
        _write_report(state, output, accuracy, str(options["evaluate_images"]))
        if not state.is_finished:
            self.stdout.write(f"The time limit is reached. {_resume_hint(options)}")
        if accuracy:
            self.stdout.write(f"mAP@0.5 on {options['evaluate_images']}: {accuracy.map_50:.3f}")
        self.stdout.write(f"The network, its model card and its curve are in {output}.")

    def _train(self, options: dict[str, Any]) -> DetectorState:
        from ml_core.training.callbacks import ProgressBar

        config_path, weights_path = _initial_model(options["model"])
        return train(
            options,
            config_path=config_path,
            weights_path=options["weights"] or weights_path,
            output=options["output"],
            report=self.stdout.write,
            callbacks=[ProgressBar()],
        )

    def _evaluate(self, options: dict[str, Any], class_count: int) -> Accuracy | None:
        if not options["evaluate_images"]:
            return None
        pictures = read_labelled_pictures(
            options["evaluate_images"], options["evaluate_labels"], class_count
        )
        return measure(options["output"], pictures)


def measure(folder: Path, pictures: list[LabelledPicture]) -> Accuracy:
    """Evaluate the detector in ``folder``, inside MODEL_DIR or not. Raises ``NETWORK_ERRORS``."""
    spec = read_user_detector(folder)
    if spec is None or spec.problem:
        raise DarknetError(f"{folder} holds no usable network: {spec and spec.problem}")
    detector = AugmentedDetector(
        spec,
        kind=settings.ENGINE,
        precision=settings.PRECISION,
        cache_dir=settings.CONVERTED_DIR,
    )
    found = []
    for picture in tqdm(pictures, disable=None, unit="picture"):
        image = read_image(picture.path, image_limits())
        answer = detector.detect(image, score_threshold=SCORE_FLOOR, iou_threshold=IOU_THRESHOLD)
        found.append(answer.detections)
    return mean_average_precision(pictures, found)


def _initial_model(model: str) -> tuple[Path, Path | None]:
    """The ``.cfg`` file given by path or by model name, and the weights of a model given by name.

    Raises a ``VisionError`` if the model cannot be used, ``TrainingError`` if it is no Darknet
    network.
    """
    if model.endswith(".cfg"):
        return Path(model), None
    spec = selection.find("detection", model)
    if spec.format != "darknet":
        raise TrainingError(
            f"A training starts from a Darknet network; the format of {spec.name} is "
            f"{spec.format}. Name a Darknet model (see list_models), or a .cfg file."
        )
    selection.check_usable(spec)
    config_path, weights_path = spec.paths
    return config_path, weights_path


def _write_report(
    state: DetectorState, output: Path, accuracy: Accuracy | None, evaluated: str
) -> None:
    from ml_core.training.detection.report import detector_card, save_detector_curve

    name = state.settings.name
    save_detector_curve(state.history, output / f"{name}-curve.png")
    parameters = (output.joinpath(f"{name}.weights").stat().st_size - HEADER_BYTES) // 4
    card = detector_card(state, accuracy, evaluated, parameters)
    output.joinpath(f"{name}.md").write_text(card, encoding="utf-8")


def _resume_hint(options: dict[str, Any]) -> str:
    arguments = [f"--{name}={options[name]}" for name in ("images", "labels", "output")]
    command = manage_command(f"train_detector {shlex.join(arguments)} --resume")
    return f"Resume after the last finished epoch with: {command}"
