"""Run a model that is not installed yet on pictures, in a child process with limits."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_core.catalog.formats import InputFormat, ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.decoders.layout import Outputs
from ml_core.engines.conversion import run_step
from ml_core.inspection.facts import Facts, load_facts
from ml_core.networks.loading import SCORE_FLOOR, Prediction, make_decoder

PICTURES = "pictures.npy"
NAMES = "names.json"


@dataclass(frozen=True)
class Trial:
    """The request of the step ``trial``: outputs for all pictures, with each input format."""

    spec: ModelSpec
    input_formats: tuple[InputFormat, ...]


def look_into(spec: ModelSpec) -> Facts:
    """What the files of ``spec`` say about themselves. Raises ``ModelFileError``."""
    with tempfile.TemporaryDirectory() as folder:
        run_step("look", spec, Path(folder))
        return load_facts(Path(folder))


def run_trial(
    spec: ModelSpec, pictures: np.ndarray, input_formats: Sequence[InputFormat]
) -> list[list[Outputs]]:
    """The outputs, each (1, ...), for each of (N, H, W, 3) uint8 RGB pictures, per input format.

    Raises ``ModelFileError``.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / PICTURES, pictures, allow_pickle=False)
        run_step("trial", Trial(spec, tuple(input_formats)), folder)
        return [_load(folder, index, len(pictures)) for index in range(len(input_formats))]


def trial_decoder(
    spec: ModelSpec, *, score_floor: float = SCORE_FLOOR
) -> Callable[[Outputs], Prediction]:
    """A function from a trial's outputs for one picture to its prediction."""
    decode = make_decoder(spec, score_floor=score_floor)
    tensors = spec.output.tensors if spec.output else ()
    return lambda outputs: decode([outputs[name] for name in tensors or outputs])[0]


def _load(folder: Path, index: int, count: int) -> list[Outputs]:
    try:
        names = json.loads(folder.joinpath(NAMES).read_text(encoding="utf-8"))
        with np.load(folder / f"{index}.npz", allow_pickle=False) as arrays:
            return [
                {name: arrays[f"{picture}-{at}"] for at, name in enumerate(names)}
                for picture in range(count)
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
        raise ModelFileError("its trial wrote no usable outputs.") from exc
