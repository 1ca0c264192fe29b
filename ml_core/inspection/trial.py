"""Run a model that is not installed yet on pictures, in a child process with limits.

The process still runs when its results are read, and may have been taken over by the model's file.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ml_core.catalog.formats import InputFormat, ModelFileError
from ml_core.catalog.specs import ModelSpec
from ml_core.decoders.layout import Outputs
from ml_core.engines.conversion import StepProcess
from ml_core.errors import DAMAGED_ZIP
from ml_core.inspection.reading.facts import Facts, load_facts
from ml_core.inspection.trial_child import DONE, NAMES, PICTURES, Trial
from ml_core.networks.loading import SCORE_FLOOR, Prediction, make_decoder

# Those of large detectors have 10 MB: 34,000 boxes of 84 numbers.
MAX_OUTPUT_BYTES = 10**8
MAX_NAMES_BYTES = 10**6

T = TypeVar("T")


def look_into(process: StepProcess, spec: ModelSpec) -> Facts:
    """What the files of ``spec`` say about themselves. Raises ``ModelFileError``."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process.run("look", spec, Path(folder))
        return load_facts(Path(folder))


def run_trial(
    process: StepProcess,
    spec: ModelSpec,
    pictures: Iterable[np.ndarray],
    count: int,
    input_formats: Sequence[InputFormat],
    use: Callable[[int, Outputs], T],
    progress: Callable[[int], object] = lambda done: None,
) -> list[list[T]]:
    """What ``use`` makes of the outputs for each of ``count`` pictures, per format.

    The pictures are (H, W, 3) uint8 RGB of the input's size. ``use`` takes the picture's number and
    its outputs, each (1, ...). One picture is in memory at a time. ``progress`` is told how many
    inferences are done; what it raises stops the trial. Raises ``ModelFileError``.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        width, height = spec.input_wh
        stored = np.lib.format.open_memmap(
            folder / PICTURES, "w+", np.uint8, (count, height, width, 3)
        )
        for number, picture in enumerate(pictures):
            progress(0)
            stored[number] = picture
        del stored
        done = folder / DONE
        done.touch()
        process.run(
            "trial",
            Trial(spec, tuple(input_formats)),
            folder,
            watch=lambda: progress(done.stat().st_size),
        )
        return [
            [use(number, outputs) for number, outputs in enumerate(_load(folder, index, count))]
            for index in range(len(input_formats))
        ]


def try_once(process: StepProcess, spec: ModelSpec, picture: np.ndarray) -> Outputs:
    """The outputs for one (H, W, 3) uint8 RGB picture. Raises ``ModelFileError``."""
    ((outputs,),) = run_trial(process, spec, [picture], 1, [spec.input], lambda _, outputs: outputs)
    return outputs


def trial_decoder(
    spec: ModelSpec, *, score_floor: float = SCORE_FLOOR
) -> Callable[[Outputs], Prediction]:
    """A function from a trial's outputs for one picture to its prediction."""
    decode = make_decoder(spec, score_floor=score_floor)
    tensors = spec.output.tensors if spec.output else ()
    return lambda outputs: decode([outputs[name] for name in tensors or outputs])[0]


def _load(folder: Path, index: int, count: int) -> Iterator[Outputs]:
    """The outputs for each picture, as the child wrote them: it may have been taken over."""
    try:
        with folder.joinpath(NAMES).open("rb") as file:
            names = json.loads(file.read(MAX_NAMES_BYTES))
        with np.load(folder / f"{index}.npz", allow_pickle=False) as arrays:
            sizes = {member.filename: member.file_size for member in arrays.zip.infolist()}
            for picture in range(count):
                keys = {name: f"{picture}-{at}" for at, name in enumerate(names)}
                total = sum(sizes[f"{key}.npy"] for key in keys.values())
                if total > MAX_OUTPUT_BYTES:
                    raise ModelFileError(
                        f"Its outputs for one picture have {total:,} bytes; at most "
                        f"{MAX_OUTPUT_BYTES:,} are accepted."
                    )
                yield {name: arrays[key] for name, key in keys.items()}
    except ModelFileError:
        raise
    # MemoryError: an array that says it is larger than it is.
    except (OSError, ValueError, KeyError, TypeError, MemoryError, *DAMAGED_ZIP) as exc:
        raise ModelFileError("its trial wrote no usable outputs.") from exc
