"""``manage.py evaluate_classifier``: accuracy of a classifier on the test split."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core.networks.classifier_description import (
    CIFAR10_WEIGHTS,
    DescriptionError,
    read_description,
)
from ml_core.pictures.limits import image_limits


class Command(BaseCommand):
    help = (
        "Evaluate a classifier on test pictures, decoded and resized like uploads. Data without a "
        "test split: on the 10% that train_classifier holds out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, metavar="PATH")
        parser.add_argument(
            "--weights",
            type=Path,
            default=CIFAR10_WEIGHTS,
            metavar="NAME.weights.h5",
            help="default: the project's own CIFAR-10 weights",
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        from ml_core.networks.resnet_v2 import RESOLUTION_WH, load_resnet_v2
        from ml_core.training.classification.data import DatasetError, read_test_split
        from ml_core.training.classification.evaluation import evaluate
        from ml_core.training.classification.report import accuracy_table, confusion_table

        try:
            description = read_description(options["weights"])
            split = read_test_split(
                options["data"],
                labels=description.labels,
                resolution_wh=RESOLUTION_WH,
                limits=image_limits(),
                npz_bytes=settings.LIMITS["npz_bytes"],
            )
            model = load_resnet_v2(description, options["weights"])
        except (DatasetError, DescriptionError) as exc:
            raise CommandError(str(exc)) from exc
        evaluation = evaluate(model, split, description.labels)
        if options["json"]:
            answer = {"model": description.name, **evaluation.to_dict()}
            self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(accuracy_table(evaluation) + "\n")
            self.stdout.write(confusion_table(evaluation))
