"""The accuracy of a model that is not installed yet, from trials on labelled pictures."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ml_core.catalog.formats import InputFormat
from ml_core.catalog.specs import ModelSpec
from ml_core.decoders.layout import Outputs
from ml_core.engines.conversion import StepProcess
from ml_core.evaluation.accuracy import mean_average_precision
from ml_core.inspection.trial import run_trial, trial_decoder
from ml_core.networks.yolo import Candidates
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture, read_image
from ml_core.pictures.limits import image_limits
from ml_core.pictures.resizing import Placement, resize_to_input
from ml_core.postprocessing import detections_from_candidates
from ml_core.results import Detection
from ml_core.training.classification.data import PicturePath, read_picture

# COCO's evaluation counts boxes of all scores; those below this change nothing.
SCORE_FLOOR, IOU_THRESHOLD, MAX_DETECTIONS = 0.001, 0.65, 300


def classifier_accuracy(
    process: StepProcess,
    spec: ModelSpec,
    pairs: Sequence[tuple[PicturePath, int]],
    formats: Sequence[InputFormat],
    progress: Callable[[int], object],
) -> list[float]:
    """The share of pictures whose most probable class is right; see ``Measure``."""
    images = (read_picture(path, image_limits()) for path, _ in pairs)
    inputs = (resize_to_input(image, spec)[0] for image in images)
    decode = trial_decoder(spec)

    def is_right(number: int, outputs: Outputs) -> bool:
        probabilities = decode(outputs)
        assert isinstance(probabilities, np.ndarray)
        return int(probabilities.argmax()) == pairs[number][1]

    results = run_trial(process, spec, inputs, len(pairs), formats, is_right, progress)
    return [sum(right) / len(pairs) for right in results]


def detector_accuracy(
    process: StepProcess,
    spec: ModelSpec,
    pictures: Sequence[LabelledPicture],
    formats: Sequence[InputFormat],
    progress: Callable[[int], object],
) -> list[float]:
    """COCO's mAP@0.5; see ``Measure``. Raises ``LabelError`` if nothing is labelled."""
    if not any(picture.class_ids.size for picture in pictures):
        raise LabelError(f"None of {len(pictures)} evenly chosen pictures has a labelled object.")
    places: list[Placement] = []
    decode = trial_decoder(spec, score_floor=SCORE_FLOOR)

    def inputs() -> Iterator[np.ndarray]:
        for picture in pictures:
            pixels, placement = resize_to_input(read_image(picture.path, image_limits()), spec)
            places.append(placement)
            yield pixels

    def detections(number: int, outputs: Outputs) -> tuple[Detection, ...]:
        prediction = decode(outputs)
        assert isinstance(prediction, Candidates)
        return detections_from_candidates(
            prediction,
            spec.labels,
            placement=places[number],
            resolution_wh=pictures[number].resolution_wh,
            score_threshold=SCORE_FLOOR,
            iou_threshold=IOU_THRESHOLD,
            max_detections=MAX_DETECTIONS,
        )

    results = run_trial(process, spec, inputs(), len(pictures), formats, detections, progress)
    return [mean_average_precision(pictures, found).map_50 for found in results]
