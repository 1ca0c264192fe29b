"""``manage.py quantize_model``: quantizes a detector to 8-bit integers, about twice as fast."""

from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openvino as ov
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.engines.conversion import ensure_converted
from ml_core.engines.openvino_core import CORE
from ml_core.engines.quantized import quantize, quantized_path, save_quantized
from ml_core.errors import VisionError
from ml_core.evaluation.accuracy import loss_interval, mean_average_precision
from ml_core.networks.loading import NETWORK_ERRORS, SCORE_FLOOR, make_decoder
from ml_core.networks.yolo import Candidates
from ml_core.pictures.labelled_pictures import (
    LabelError,
    LabelledPicture,
    picture_paths,
    read_image,
    read_labelled_pictures,
)
from ml_core.pictures.limits import image_limits
from ml_core.pictures.resizing import resize_to_input
from ml_core.postprocessing import IOU_THRESHOLD, detections_from_candidates
from ml_core.results import Detection

# The accepted loss of mAP@0.5; a larger loss is accepted only if it is not significant.
TOLERATED_LOSS = 0.01


class Command(BaseCommand):
    help = (
        "Quantize a detector to 8-bit integers, calibrated on your pictures, for PRECISION=int8. A "
        "result that loses more than one point of mAP@0.5 on labelled pictures is discarded if the "
        "loss is significant (95% interval above 0)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="a detection model; see list_models")
        parser.add_argument("--images", type=Path, required=True, metavar="DIR")
        parser.add_argument(
            "--labels", type=Path, metavar="DIR", help="in YOLO's text format, to measure the loss"
        )
        parser.add_argument(
            "--keep",
            action="store_true",
            help="keep the result whatever its loss, or without labels",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not find_spec("nncf"):
            raise CommandError("This needs NNCF: pip install -r requirements-quantize.txt")
        if not options["labels"] and not options["keep"]:
            raise CommandError(
                "Give --labels, so that the loss can be measured, or --keep to go without."
            )
        try:
            spec = selection.find("detection", options["name"])
            selection.check_usable(spec)
            paths = picture_paths(options["images"])
            pictures = (
                read_labelled_pictures(options["images"], options["labels"], len(spec.labels))
                if options["labels"]
                else []
            )
            self._quantize(spec, paths, pictures, keep=options["keep"])
        except (VisionError, LabelError, OSError, *NETWORK_ERRORS) as exc:
            raise CommandError(str(exc)) from exc

    def _quantize(
        self,
        spec: ModelSpec,
        paths: Sequence[Path],
        pictures: Sequence[LabelledPicture],
        *,
        keep: bool,
    ) -> None:
        original = ensure_converted(spec, settings.CONVERTED_DIR)
        network = quantize(spec, original, paths, image_limits())
        if pictures:
            float32 = {"INFERENCE_PRECISION_HINT": "f32"}
            before = self._detect("float32", spec, original, pictures, float32)
            after = self._detect("int8", spec, network, pictures, {})
            loss = self._measure("float32", pictures, before) - self._measure(
                "int8", pictures, after
            )
            low, high = loss_interval(pictures, before, after)
            self.stdout.write(
                f"loss     mAP@0.5 {loss:.3f}, 95% interval over the pictures: "
                f"{low:.3f} to {high:.3f}"
            )
            if loss > TOLERATED_LOSS and low > 0 and not keep:
                raise CommandError(
                    f"It loses {loss:.3f} of mAP@0.5 ({low:.3f} to {high:.3f}), which is "
                    "significant, so it was not kept. More and more varied pictures may help; "
                    "--keep keeps it anyway."
                )
        save_quantized(network, spec)
        self.stdout.write(f"{quantized_path(spec)} serves with PRECISION=int8.")

    def _detect(
        self,
        title: str,
        spec: ModelSpec,
        network: ov.Model | Path,
        pictures: Sequence[LabelledPicture],
        options: dict[str, str],
    ) -> list[tuple[Detection, ...]]:
        compiled = CORE.compile_model(network, "CPU", options)
        decode = make_decoder(spec)
        found = []
        for picture in tqdm(pictures, desc=title, disable=None, unit="picture"):
            image = read_image(picture.path, image_limits())
            network_input, placement = resize_to_input(image, spec)
            (candidates,) = decode(list(compiled(network_input[None]).values()))
            assert isinstance(candidates, Candidates)
            found.append(
                detections_from_candidates(
                    candidates,
                    spec.labels,
                    placement=placement,
                    resolution_wh=picture.resolution_wh,
                    score_threshold=SCORE_FLOOR,
                    iou_threshold=IOU_THRESHOLD,
                    max_detections=settings.LIMITS["detections"],
                )
            )
        return found

    def _measure(
        self,
        title: str,
        pictures: Sequence[LabelledPicture],
        found: Sequence[Sequence[Detection]],
    ) -> float:
        """Print the accuracy, and return mAP@0.5."""
        accuracy = mean_average_precision(pictures, found)
        self.stdout.write(
            f"{title:<8} mAP@0.5 {accuracy.map_50:.3f}, mAP@0.5:0.95 {accuracy.map_50_95:.3f}"
        )
        return accuracy.map_50
