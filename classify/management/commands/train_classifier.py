"""``manage.py train_classifier``: train a classifier on a data set of pictures."""

import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core.errors import manage_command
from ml_core.networks.classifier_description import DescriptionError
from ml_core.pictures.limits import image_limits
from ml_core.training.classification.state import ClassifierSettings
from ml_core.training.settings import TrainingError, add_common_arguments

DEFAULTS = ClassifierSettings(name="")
INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Train a ResNet v2 on pictures in a folder or a zip file (CLASS/PICTURE, optionally below "
        "train/ and test/) or in an npz file (x_train, y_train, x_test, y_test)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, metavar="PATH")
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="default: MODEL_DIR/NAME; NAME is its name"
        )
        parser.add_argument(
            "--weights", type=Path, metavar="START.weights.h5", help="start from these weights"
        )
        parser.add_argument("--depth", type=int, default=DEFAULTS.depth, help="9n + 2")
        add_common_arguments(parser, DEFAULTS)
        parser.add_argument("--weight-decay", type=float, default=DEFAULTS.weight_decay)
        parser.add_argument("--label-smoothing", type=float, default=DEFAULTS.label_smoothing)
        parser.add_argument(
            "--cutout",
            type=int,
            default=DEFAULTS.cutout,
            help="size of the random cutout, in pixels",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Keras takes seconds to import, so invalid arguments are reported first.
        from ml_core.networks.resnet_v2 import RESOLUTION_WH, DepthError
        from ml_core.training.checkpoint import has_checkpoint
        from ml_core.training.classification.classifier import resume_training, start_training
        from ml_core.training.classification.data import DatasetError, read_dataset

        name = f"resnet{options['depth']}v2-{options['data'].stem}"
        output = options["output"] or settings.MODEL_DIR / name
        try:
            dataset = read_dataset(
                options["data"],
                resolution_wh=RESOLUTION_WH,
                limits=image_limits(),
                npz_bytes=settings.LIMITS["npz_bytes"],
            )
            if options["resume"]:
                evaluation = resume_training(dataset, output, report=self.stdout.write)
            else:
                evaluation = start_training(
                    dataset,
                    ClassifierSettings(
                        name=output.resolve().name,
                        depth=options["depth"],
                        epochs=options["epochs"],
                        batch_size=options["batch_size"],
                        learning_rate=options["learning_rate"],
                        weight_decay=options["weight_decay"],
                        label_smoothing=options["label_smoothing"],
                        cutout=options["cutout"],
                        precision=options["precision"],
                        seed=options["seed"],
                    ),
                    output,
                    start_weights=options["weights"],
                    report=self.stdout.write,
                )
        except (DatasetError, DepthError, DescriptionError, TrainingError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt as exc:
            if not has_checkpoint(output):
                raise CommandError(
                    "Stopped before the first epoch.", returncode=INTERRUPTED
                ) from exc
            command = shlex.join(
                ["--data", str(options["data"]), "--output", str(output), "--resume"]
            )
            raise CommandError(
                f"Stopped. Resume after the last finished epoch with: "
                f"{manage_command(f'train_classifier {command}')}",
                returncode=INTERRUPTED,
            ) from exc
        self.stdout.write(f"Accuracy on the test pictures: {100 * evaluation.accuracy:.2f}%")
        self.stdout.write(f"Weights, model card and pictures are in {output}.")
