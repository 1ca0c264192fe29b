"""Train a detector from the command line.

``python -m ml_core.training.train_detector --images DIR --labels DIR --output DIR`` needs only
Keras with a backend (``KERAS_BACKEND=jax``), NumPy, OpenCV and Pillow, not the whole site.
``manage.py train_detector`` also evaluates the result and writes a model card.
"""

import math
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_core.labels import COCO_LABELS, read_names
from ml_core.networks.darknet_cfg import read_config
from ml_core.pictures.labelled_pictures import LabelError, read_labelled_pictures
from ml_core.training.detection.state import DetectorSettings, DetectorState
from ml_core.training.settings import add_common_arguments, positive_int

if TYPE_CHECKING:
    import keras

VISION_SMALL = Path(__file__).parent.parent / "shipped" / "vision-small" / "vision-small.cfg"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of both commands; each adds its own ``--model`` and ``--output``."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="DIR", help="in YOLO's text format"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE.weights",
        help="start from these weights of the same network",
    )
    parser.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="file with one class name per line (default: COCO's 80)",
    )
    add_common_arguments(parser, DetectorSettings(name=""))
    parser.add_argument(
        "--side", type=positive_int, help="input size in pixels (default: the model's)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="stop after the last epoch within this time; --resume continues",
    )


def train(
    options: Mapping[str, Any],
    *,
    config_path: Path,
    weights_path: Path | None,
    output: Path,
    report: Callable[[str], object] = print,
    callbacks: "Sequence[keras.callbacks.Callback]" = (),
) -> DetectorState:
    """Train with the command line's ``options``, and return the final state.

    Raises ``TrainingError``, ``LabelError``, ``DarknetError`` or ``OSError``.
    """
    labels = COCO_LABELS
    if options["names"]:
        labels = read_names(options["names"].read_text(encoding="utf-8-sig"))
    if not labels:
        raise LabelError(f"Expected one class name per line in {options['names']}, found none.")
    pictures = read_labelled_pictures(options["images"], options["labels"], len(labels))
    # Importing Keras takes seconds, so validate the arguments first.
    from ml_core.training.detection.detector import resume_training, start_training

    minutes = options["minutes"]
    if options["resume"]:
        return resume_training(
            pictures, output, minutes=minutes, report=report, callbacks=callbacks
        )
    return start_training(
        pictures,
        labels,
        _settings(options, config_path, output),
        output,
        config_path=config_path,
        weights_path=weights_path,
        minutes=minutes,
        report=report,
        callbacks=callbacks,
    )


def _settings(options: Mapping[str, Any], config_path: Path, output: Path) -> DetectorSettings:
    return DetectorSettings(
        name=output.resolve().name,
        side=options["side"] or read_config(config_path).input_wh[0],
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        precision=options["precision"],
        seed=options["seed"],
    )


def main() -> None:
    parser = ArgumentParser(description="Train a YOLO detector.")
    add_arguments(parser)
    parser.add_argument("--model", type=Path, default=VISION_SMALL, metavar="FILE.cfg")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    options = vars(parser.parse_args())
    train(
        options,
        config_path=options["model"],
        weights_path=options["weights"],
        output=options["output"],
        report=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
