"""What a model file says about itself. Read in a child process, see ``ml_core.engines.convert``."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml_core.catalog.formats import ModelFileError

FACTS_FILE = "facts.json"
# 100,000 class names of 200 bytes.
MAX_FACTS_BYTES = 2 * 10**7


@dataclass(frozen=True)
class Tensor:
    """An input or output; unknown sides of ``shape`` are None, ``operation`` computes an output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    operation: str = ""

    @property
    def is_real(self) -> bool:
        return "int" not in self.dtype

    def __str__(self) -> str:
        sides = " x ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides})"


@dataclass(frozen=True)
class Facts:
    """What a file says: its picture input, its outputs, and what its author wrote into it.

    ``task`` is the name that Ultralytics gives it. ``scaling_layer`` is the kind of the layer by
    which the network scales pixels itself, or "". ``backbone`` names the network of
    ``keras.applications`` that it is, or is built on. ``mean`` and ``std`` are those of TFLite's
    metadata, in units of pixels.
    """

    image: Tensor
    outputs: tuple[Tensor, ...]
    task: str = ""
    licence: str = ""
    labels: tuple[str, ...] = ()
    input_wh: tuple[int, int] | None = None
    scaling_layer: str = ""
    backbone: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def write_facts(facts: Facts, folder: Path) -> None:
    """Write ``facts`` for the parent process, as JSON: it must not unpickle what a child wrote."""
    text = json.dumps(asdict(facts), ensure_ascii=False)
    folder.joinpath(FACTS_FILE).write_text(text, encoding="utf-8")


def load_facts(folder: Path) -> Facts:
    """The facts that the child process wrote. Raises ``ModelFileError``."""
    with folder.joinpath(FACTS_FILE).open("rb") as file:
        # The child may still write to it.
        text = file.read(MAX_FACTS_BYTES + 1)
    if len(text) > MAX_FACTS_BYTES:
        raise ModelFileError("The file says too much about itself.")
    values = json.loads(text)
    for key in ("labels", "mean", "std"):
        values[key] = tuple(values[key])
    if values["input_wh"]:
        values["input_wh"] = tuple(values["input_wh"])
    values["image"] = _tensor(values["image"])
    values["outputs"] = tuple(map(_tensor, values["outputs"]))
    return Facts(**values)


def _tensor(values: dict[str, Any]) -> Tensor:
    return Tensor(**{**values, "shape": tuple(values["shape"])})
