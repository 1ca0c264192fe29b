"""Add a model of the user: understand its files, try it on a picture, write its folder."""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.installed import read_catalog, read_user_detector
from ml_core.catalog.model_toml import read_labels, read_model_toml, write_model_toml
from ml_core.catalog.specs import ModelFile, ModelSpec, Task
from ml_core.engines.conversion import StepProcess, ensure_converted
from ml_core.errors import Phrase
from ml_core.inspection.answers import AS_YOU_SAY, Answers, Note, Understanding, listing
from ml_core.inspection.input_shape import understand_shape
from ml_core.inspection.preparing import describe_resizing
from ml_core.inspection.reading.facts import Facts, Tensor
from ml_core.inspection.sources import Source, collect
from ml_core.inspection.trial import look_into, trial_decoder, try_once
from ml_core.inspection.understanding import understand_outputs
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import resize_to_input, stretch
from ml_core.postprocessing import IOU_THRESHOLD, detections_from_candidates
from ml_core.results import Classification, Detections, classification_from_array

MAX_DETECTIONS = 100
# What is said of a model, in this order.
SUBJECTS = ("task", "labels", "input", "pixels", "resizing", "output", "check")
UNFINISHED = ".adding-"
STALE_SECONDS = 24 * 3600
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Places:
    """Where models and converted models are kept, and the largest accepted model.

    A dry run works in ``work_dir``, or in the system's folder for temporary files.
    """

    model_dir: Path
    converted_dir: Path
    max_bytes: int
    work_dir: Path | None = None


@dataclass(frozen=True)
class Understood:
    """A model's description, the reasons, and its answer for the sample picture."""

    spec: ModelSpec
    notes: tuple[Note, ...]
    answer: Classification | Detections


# Improves what was understood by labelled pictures.
Check = Callable[[StepProcess, Understanding], None]


def add_model(
    paths: Sequence[Path],
    samples: Mapping[Task, np.ndarray],
    answers: Answers,
    places: Places,
    *,
    name: str = "",
    licence: str = "",
    origin: str = "",
    is_dry_run: bool = False,
    check: Check | None = None,
) -> Understood:
    """Understand the model in ``paths``, run it on the sample of its task, and write its folder.

    ``samples`` are (H, W, 3) uint8 RGB pictures. A dry run writes nothing. Raises
    ``ModelFileError``, and leaves nothing behind then.
    """
    with _workshop(places, is_dry_run) as folder:
        given = Path(folder) / "given"
        given.mkdir()
        source = collect(paths, given, max_bytes=places.max_bytes)
        name = name or _name_from(source, paths)
        _check_name(name, places.model_dir)
        answers = _with_labels(answers, source)
        # Ended before the files are moved, which it may hold, and before the conversion.
        with StepProcess() as process:
            known = _understand(process, source, name, samples["detection"], answers)
            if check:
                check(process, known)
            answer = answer_for(process, known.spec, samples[known.spec.task])
        known.spec = replace(
            known.spec, licence=licence or _licence(known), origin=origin or known.spec.origin
        )
        if not is_dry_run:
            known.spec = _write(known.spec, Path(folder), places)
        notes = sorted(known.notes, key=lambda note: SUBJECTS.index(note.subject))
        return Understood(known.spec, tuple(notes), answer)


def remove_unfinished(model_dir: Path) -> None:
    """Delete what killed processes left when they added models: none takes a day."""
    for folder in model_dir.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def answer_for(
    process: StepProcess, spec: ModelSpec, image: np.ndarray
) -> Classification | Detections:
    """The model's answer for a picture, from a trial. Raises ``ModelFileError``."""
    network_input, placement = resize_to_input(image, spec)
    prediction = trial_decoder(spec)(try_once(process, spec, network_input))
    resolution_wh = (image.shape[1], image.shape[0])
    if not isinstance(prediction, Candidates):
        return classification_from_array(
            prediction, spec.labels, model=spec.name, resolution_wh=resolution_wh, timing_ms={}
        )
    detections = detections_from_candidates(
        prediction,
        spec.labels,
        placement=placement,
        resolution_wh=resolution_wh,
        score_threshold=SCORE_FLOOR,
        iou_threshold=IOU_THRESHOLD,
        max_detections=MAX_DETECTIONS,
    )
    return Detections(spec.name, resolution_wh, detections, {})


def _workshop(places: Places, is_dry_run: bool) -> AbstractContextManager[str]:
    """A folder for unfinished work; on the disk of the models, so that it can be renamed."""
    if is_dry_run:
        return tempfile.TemporaryDirectory(dir=places.work_dir)
    places.model_dir.mkdir(parents=True, exist_ok=True)
    remove_unfinished(places.model_dir)
    return tempfile.TemporaryDirectory(dir=places.model_dir, prefix=UNFINISHED)


def _name_from(source: Source, paths: Sequence[Path]) -> str:
    title = source.title or paths[0].resolve().stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-._")[:60] or "model"


def _check_name(name: str, model_dir: Path) -> None:
    if not NAME.fullmatch(name):
        raise ModelFileError(
            f"{name!r} is no name for a model: expected up to 60 letters, digits, '.', '_' and '-'."
        )
    if name in read_catalog(model_dir) or model_dir.joinpath(name).exists():
        raise ModelFileError(f"There is a model {name!r} already. Choose another with --name.")


def _with_labels(answers: Answers, source: Source) -> Answers:
    if answers.labels or not source.labels or source.format == "darknet":
        return answers
    return replace(answers, labels=read_labels(source.labels))


def _understand(
    process: StepProcess, source: Source, name: str, sample: np.ndarray, answers: Answers
) -> Understanding:
    if source.format == "darknet":
        return _understand_darknet(source, name, answers)
    draft = ModelSpec(
        name=name,
        task="classification",
        family=source.format,
        directory=source.folder,
        format=source.format,
        files=tuple(map(ModelFile, source.names)),
        input_wh=(0, 0),
        resizing="stretch",
        labels=(),
        licence="your own",
    )
    known = understand_shape(draft, look_into(process, draft), answers)
    pixels, _ = stretch(sample, known.spec.input_wh)
    understand_outputs(known, try_once(process, known.spec, pixels))
    return known


def _understand_darknet(source: Source, name: str, answers: Answers) -> Understanding:
    spec = read_user_detector(source.folder)
    if not spec or spec.problem:
        raise ModelFileError(spec.problem if spec else "There is no Darknet network.")
    labels = answers.labels or spec.labels
    if len(labels) != len(spec.labels):
        raise ModelFileError(
            f"The network has {len(spec.labels)} classes, and there are {len(labels)} labels."
        )
    spec = replace(spec, name=name, labels=labels, resizing=answers.resizing or spec.resizing)
    width, height = spec.input_wh
    facts = Facts(Tensor("image", (1, height, width, 3), "uint8"), ())
    known = Understanding(spec, facts, answers)
    says_cfg = Phrase("says the .cfg file")
    known.note("task", Phrase("detection"), Phrase("a Darknet network with [yolo] sections"))
    known.note("input", Phrase("{width} x {height}", width=width, height=height), says_cfg)
    known.note("resizing", describe_resizing(spec), AS_YOU_SAY if answers.resizing else says_cfg)
    known.note("labels", listing(labels), Phrase("of the network's classes"))
    return known


def _licence(known: Understanding) -> str:
    return known.facts.licence or known.spec.licence


def _write(spec: ModelSpec, workshop: Path, places: Places) -> ModelSpec:
    """Move the files into the model's folder and convert it: an error removes all of it."""
    new, target = workshop / "new", places.model_dir / spec.name
    for file, path in zip(spec.files, spec.paths, strict=True):
        destination = new / file.name
        destination.parent.mkdir(parents=True, exist_ok=True)
        path.rename(destination)
    spec = replace(spec, directory=new)
    write_model_toml(spec, new)
    # What cannot be read again is refused now, and not found when the site reads it.
    if read_model_toml(new).labels != spec.labels:
        raise ModelFileError("The class names must be lines of text without control characters.")
    # Here a server would find out that a network cannot be converted.
    ensure_converted(spec, places.converted_dir)
    new.rename(target)
    return replace(spec, directory=target)
