"""``manage.py evaluate_detector``: mean average precision on labelled pictures."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ml_core import engine
from ml_core.catalog import selection
from ml_core.errors import VisionError
from ml_core.evaluation.accuracy import (
    accuracy_table,
    mean_average_precision,
    save_precision_recall,
)
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.pictures.labelled_pictures import LabelError, read_image, read_labelled_pictures
from ml_core.pictures.limits import image_limits
from ml_core.results import Detection

REQUEST_SECONDS = 60

Detect = Callable[[Path], list[Detection]]


class Command(BaseCommand):
    help = (
        "Evaluate a detector on pictures with labels in YOLO's text format: mAP@0.5 and "
        "mAP@0.5:0.95 as COCO defines them, and the average precision of each class."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--images", type=Path, required=True, metavar="DIR")
        parser.add_argument("--labels", type=Path, required=True, metavar="DIR")
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument("--url", default="", help="evaluate this server instead")
        parser.add_argument(
            "--curve", type=Path, metavar="FILE.png", help="file for the precision-recall curve"
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            spec = selection.find("detection", options["model"])
            pictures = read_labelled_pictures(
                options["images"], options["labels"], len(spec.labels)
            )
            if options["url"]:
                detect = _remote_detector(options["url"], spec.name)
            else:
                detect = _local_detector(spec.name)
            with ThreadPoolExecutor(4) as threads:
                found = threads.map(detect, [picture.path for picture in pictures])
                progress = tqdm(found, total=len(pictures), disable=None, unit="picture")
                accuracy = mean_average_precision(pictures, list(progress))
        except (VisionError, LabelError) as exc:
            raise CommandError(str(exc)) from exc
        except requests.RequestException as exc:
            raise CommandError(f"The server at {options['url']} {_failure_text(exc)}") from exc
        if options["curve"]:
            save_precision_recall(accuracy, options["curve"])
        summary = {
            "model": spec.name,
            "pictures": len(pictures),
            "mAP@0.5": round(accuracy.map_50, 4),
            "mAP@0.5:0.95": round(accuracy.map_50_95, 4),
        }
        if options["json"]:
            by_class = {spec.labels[i]: round(ap, 4) for i, ap in accuracy.ap_50.items()}
            self.stdout.write(json.dumps({**summary, "AP@0.5": by_class}, indent=2))
        else:
            self.stdout.write(accuracy_table(accuracy, spec.labels))
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in summary.items()))


def _local_detector(model: str) -> Detect:
    def detect(path: Path) -> list[Detection]:
        image = read_image(path, image_limits())
        return list(engine.detect(image, model=model).detections)

    return detect


def _failure_text(exc: requests.RequestException) -> str:
    if isinstance(exc, requests.Timeout):
        return f"did not answer within {REQUEST_SECONDS} seconds."
    if isinstance(exc, requests.ConnectionError):
        return "cannot be reached. Is the address right, and is the server running?"
    return "does not answer as expected. Is the address right?"


def _problem_text(response: requests.Response) -> str:
    """The ``detail`` of a problem response (RFC 9457), or the HTTP status of any other."""
    try:
        return response.json()["detail"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        return f"HTTP {response.status_code} {response.reason}"


def _remote_detector(url: str, model: str) -> Detect:
    def detect(path: Path) -> list[Detection]:
        while True:
            response = requests.post(
                f"{url.rstrip('/')}/api/detect/image/",
                data={"model": model, "score_threshold": SCORE_FLOOR},
                files={"image": path.read_bytes()},
                timeout=REQUEST_SECONDS,
            )
            # The server is loading the model.
            if response.status_code != 503 or "Retry-After" not in response.headers:
                break
            time.sleep(int(response.headers["Retry-After"]))
        if not response.ok:
            raise CommandError(f"The server's answer to {path}: {_problem_text(response)}")
        return [
            Detection(tuple(row["box"]), row["class_id"], row["class_name"], row["score"])
            for row in response.json()["detections"]
        ]

    return detect
