"""The tasks of jobs: install a model, understand an uploaded one, add it, measure accuracy."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from django.conf import settings

from ml_core import choices, engine, model_pool
from ml_core.catalog import selection, weights
from ml_core.catalog.formats import InputFormat
from ml_core.catalog.model_toml import shortened
from ml_core.catalog.specs import ModelSpec
from ml_core.engines.conversion import StepProcess
from ml_core.errors import Busy, EngineUnavailable, InferenceTimeout, ModelLoading
from ml_core.inspection.adding import Check, Places, Understood, add_model
from ml_core.inspection.answers import Note, Understanding, answers_from
from ml_core.models import ModelChoice
from ml_core.pictures.drawing import draw_detections
from ml_core.pictures.labelled_pictures import LabelError
from ml_core.pictures.limits import image_limits
from ml_core.pictures.samples import read_samples
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Classification
from model_library import services
from model_library.jobs import Run, RunLost
from model_library.models import ModelJob, State
from web.rest.serializers import boxes_as_json
from web.storage.disk import check_room, delete_folder, make_folder

PROBE_S = 8
# How long a measurement waits while visitors keep the model busy.
BUSY_S = 1
# How often in a row a measurement tries again what a loaded or restarted server did not answer.
RETRIES = 60
# Classes of a classifier's answer for the sample that are shown.
TOP = 5

# A model that is looked into needs as much memory as its conversion.
_one_at_a_time = Lock()


@contextmanager
def _turn(run: Run) -> Iterator[None]:
    """Wait until no other job of this process looks into a model. Raises ``RunLost``."""
    while not _one_at_a_time.acquire(timeout=0.5):
        run.check()
    try:
        yield
    finally:
        _one_at_a_time.release()


def install(run: Run) -> None:
    """Download the files of a model of the catalogue, verified. Raises ``DownloadFailed``."""
    spec = selection.models()[run.job.model]
    check_room(spec.size_bytes, settings.MODEL_DIR)
    run.report(0, spec.size_bytes)
    has_mirror = weights.any_reachable([spec], timeout_s=PROBE_S)
    run.check()
    weights.fetch(
        spec,
        from_mirrors=has_mirror,
        report=lambda arrived: run.report(arrived, spec.size_bytes),
    )
    run.end(State.DONE)
    # It may be the best one now.
    model_pool.start_loading()


def understand(run: Run) -> None:
    """Look into the uploaded files and try the model; what was understood is the result."""
    job = run.job
    samples = read_samples()
    check = _checker(run, job.set_path) if job.set_path else None
    with _turn(run):
        found = _add(job, samples, is_dry_run=True, check=check)
    run.check()
    _draw_answer(job, found, samples["detection"])
    result = {**_described(found), "answers": job.answers}
    if check:
        spec = found.spec
        result |= {"input": asdict(spec.input), "accuracy_percent": spec.accuracy_percent}
    run.end(State.UNDERSTOOD, result=result)


def _checker(run: Run, path: Path) -> Check:
    # As in ``_measure_detector``.
    from ml_core.inspection.checking import Checker

    return Checker(path, run.report, run.job.folder)


def add(run: Run) -> None:
    """Add the uploaded model, as it was understood."""
    job = run.job
    with _turn(run):
        run.check()
        # Later ones may have been refused.
        job.answers = job.result.get("answers", job.answers)
        check = partial(_apply_check, job.result) if job.set_path else None
        found = _add(job, read_samples(), is_dry_run=False, check=check)
    # Before the job has ended, so that nothing is left when that is seen.
    delete_folder(job.folder)
    try:
        run.end(State.DONE, model=found.spec.name)
    except RunLost:
        services.delete(found.spec)
        raise
    # It may be the best one now.
    model_pool.start_loading()


def _stored(note: Note) -> dict[str, Any]:
    """A note as JSON: its patterns in English, and their values."""
    return {
        "subject": note.subject,
        "text": note.text.message,
        "text_values": note.text.values,
        "reason": note.reason.message,
        "reason_values": note.reason.values,
        "is_guess": bool(note.option),
    }


def _apply_check(result: dict[str, Any], _: StepProcess, known: Understanding) -> None:
    """Describe the model as it was when it was checked with labelled pictures."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in result["input"].items()
    }
    known.spec = replace(
        known.spec,
        input=InputFormat(**values),
        labels=tuple(result["labels"]),
        accuracy_percent=result["accuracy_percent"],
    )


def _add(job: ModelJob, samples: dict, *, is_dry_run: bool, check: Check | None) -> Understood:
    answers = job.answers
    return add_model(
        job.model_paths,
        samples,
        answers_from({**answers, "labels": _labels(answers)}),
        Places(
            settings.MODEL_DIR,
            settings.CONVERTED_DIR,
            settings.LIMITS["model_bytes"],
            work_dir=job.folder,
        ),
        name=answers.get("name", ""),
        licence=answers.get("licence", ""),
        origin=answers.get("origin", ""),
        is_dry_run=is_dry_run,
        check=check,
    )


def _labels(answers: dict[str, Any]) -> tuple[str, ...] | None:
    return shortened(answers["labels"]) if answers.get("labels") else None


def _draw_answer(job: ModelJob, found: Understood, sample: np.ndarray) -> None:
    if isinstance(found.answer, Classification):
        return
    make_folder(job.folder)
    drawn = draw_detections(sample, found.answer.filtered(DRAWN_SCORE_THRESHOLD).detections)
    drawn.save(job.sample_path)


def _described(found: Understood) -> dict[str, Any]:
    """What was understood, as JSON."""
    spec, answer = found.spec, found.answer
    described: dict[str, Any] = {
        "name": spec.name,
        "task": spec.task,
        "labels": list(spec.labels),
        "notes": [_stored(note) for note in found.notes],
    }
    if isinstance(answer, Classification):
        rows = [
            {"class_name": name, "score": score, "class_id": class_id}
            for class_id, name, score in answer.top(TOP)
        ]
        return {**described, "top": rows}
    shown = answer.filtered(DRAWN_SCORE_THRESHOLD).detections
    return {**described, "detections": boxes_as_json(shown)}


def measure(run: Run) -> None:
    """Measure the accuracy of a model on uploaded labelled pictures, as the site serves it."""
    job = run.job
    spec = selection.find(selection.models()[job.model].task, job.model)
    (path,) = job.paths
    _wait_until_loaded(spec, run)
    measured = _measure_classifier if spec.task == "classification" else _measure_detector
    accuracy, pictures = measured(spec, path, run)
    result = {
        "accuracy_percent": round(accuracy * 100, 1),
        "accuracy_pictures": pictures,
        "accuracy_set": path.name,
    }
    run.check()
    ModelChoice.objects.update_or_create(name=spec.name, defaults=result)
    choices.forget()
    # As in ``add``.
    delete_folder(job.folder)
    run.end(State.DONE, result=result)


def _wait_until_loaded(spec: ModelSpec, run: Run) -> None:
    while True:
        run.check()
        try:
            model_pool.wait_until_loaded(spec.task, spec.name)
        except ModelLoading:
            continue
        return


def _measure_classifier(spec: ModelSpec, path: Path, run: Run) -> tuple[float, int]:
    """The share of pictures whose most probable class is right, and the number of pictures."""
    from ml_core.inspection.labelled_sets import pictures_by_class, spread
    from ml_core.training.classification.data import read_picture

    by_class = pictures_by_class(path)
    _check_known(spec, set(by_class), path)
    labelled = [(file, label) for label, files in by_class.items() for file in files]
    chosen = spread(labelled, settings.LIMITS["accuracy_pictures"])
    hits = 0
    for number, (file, label) in enumerate(chosen, 1):
        image = read_picture(file, image_limits())
        classify = partial(engine.classify, image, model=spec.name, queue_key=str(run.job.pk))
        hits += _patiently(classify, run).class_name == label
        run.report(number, len(chosen))
    return hits / len(chosen), len(chosen)


def _check_known(spec: ModelSpec, names: set[str], path: Path) -> None:
    """Raise ``LabelError`` if pictures are labelled with classes that the model has not."""
    unknown = sorted(names - set(spec.labels))
    if unknown:
        raise LabelError(
            f"{path.name} has {len(names)} classes, such as {unknown[0]!r}; the model has "
            f"{len(spec.labels)}, such as {spec.labels[0]!r}. Label the pictures with the model's "
            "class names, or correct those in its description."
        )


def _measure_detector(spec: ModelSpec, path: Path, run: Run) -> tuple[float, int]:
    """mAP@0.5 and the number of pictures."""
    # Imported here: they load libraries of 100 MB.
    from ml_core.evaluation.accuracy import mean_average_precision
    from ml_core.inspection.labelled_sets import numbered_as, opened_set, spread
    from ml_core.pictures.detection_sets import read_detection_set
    from ml_core.pictures.labelled_pictures import read_image

    with opened_set(path, run.job.folder) as folder:
        names, pictures = read_detection_set(folder, len(spec.labels))
        if names is not None:
            labelled = {names[class_id] for one in pictures for class_id in one.class_ids}
            _check_known(spec, labelled, path)
            pictures = numbered_as(spec.labels, names, pictures)
        chosen = spread(pictures, settings.LIMITS["accuracy_pictures"])
        if not any(len(picture.class_ids) for picture in chosen):
            raise LabelError(f"Expected labelled objects in {path.name}; there are none.")
        found = []
        for number, picture in enumerate(chosen, 1):
            image = read_image(picture.path, image_limits())
            detect = partial(engine.detect, image, model=spec.name, queue_key=str(run.job.pk))
            found.append(_patiently(detect, run).detections)
            run.report(number, len(chosen))
        return mean_average_precision(chosen, found).map_50, len(chosen)


def _patiently(infer: Callable[[], Any], run: Run) -> Any:
    """The result of ``infer``, which waits while visitors keep the model busy.

    Raises ``EngineUnavailable``, ``InferenceTimeout`` or ``ModelLoading`` after many attempts.
    """
    failures = 0
    while True:
        try:
            return infer()
        except Busy:
            pass
        except (EngineUnavailable, InferenceTimeout, ModelLoading):
            failures += 1
            if failures > RETRIES:
                raise
        run.check()
        time.sleep(BUSY_S)
