"""Published models: converted once, and run on machines without Django and TensorFlow.

A version of a model is a folder ``FOLDER/NAME/NUMBER/``, as in the model repositories of OpenVINO
Model Server and Triton. It holds ``model.xml`` and ``model.bin``, the ``.cfg`` file if the boxes
are decoded by it, and ``model.json`` with the description, the version and the hash of each file.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openvino as ov

from ml_core.catalog.formats import InputFormat, ModelFileError, OutputFormat
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.engines.conversion import ensure_converted
from ml_core.engines.openvino_core import CORE
from ml_core.engines.quantized import has_quantized, quantized_path, read_quantized

DESCRIPTION = "model.json"
NETWORK = "model.xml"
# What of a description decides about inputs and results.
DESCRIBED = (
    "name",
    "task",
    "family",
    "format",
    "input_wh",
    "resizing",
    "input",
    "output",
    "trained_masks",
    "labels",
)


@dataclass(frozen=True)
class PublishedModel:
    """A published model: its description, with the converted network, and its version."""

    spec: ModelSpec
    version: str

    @property
    def folder(self) -> Path:
        return self.spec.directory


def version_of(spec: ModelSpec, precision: str) -> str:
    """The version of an installed model: a hash of its description and its files.

    Raises ``OSError`` if a file is missing.
    """
    digest = hashlib.sha256(json.dumps(_described(spec)).encode())
    paths = [*spec.paths]
    if _is_quantized(spec, precision):
        paths.append(quantized_path(spec).with_suffix(".bin"))
    for path in paths:
        digest.update(bytes.fromhex(_sha256(path)))
    return digest.hexdigest()[:16]


def publish(spec: ModelSpec, folder: Path, *, precision: str, cache_dir: Path) -> PublishedModel:
    """Publish the current version of ``spec`` below ``folder``, unless it is the newest there.

    Converts the model in ``cache_dir`` if that was not done before. Raises ``ModelFileError``,
    ``VisionError`` or ``OSError``.
    """
    version = version_of(spec, precision)
    newest = newest_version(folder / spec.name)
    if newest:
        try:
            published = read_published(newest)
        except ModelFileError:
            # Damaged: it is published again under the next number.
            pass
        else:
            if published.version == version:
                return published
    number = int(newest.name) + 1 if newest else 1
    converted = ensure_converted(spec, cache_dir)
    target = folder / spec.name / str(number)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as unfinished:
        content = Path(unfinished) / "content"
        content.mkdir()
        is_quantized = _is_quantized(spec, precision)
        network = read_quantized(spec, converted) if is_quantized else CORE.read_model(converted)
        _name_outputs(network)
        ov.save_model(network, content / NETWORK, compress_to_fp16=False)
        if spec.format == "darknet":
            shutil.copyfile(spec.paths[0], content / "network.cfg")
        hashes = {path.name: _sha256(path) for path in sorted(content.iterdir())}
        described = {"version": version, "spec": _described(spec), "sha256": hashes}
        text = json.dumps(described, indent=2, ensure_ascii=False)
        content.joinpath(DESCRIPTION).write_text(text, encoding="utf-8")
        content.rename(target)
    return read_published(target)


def newest_version(folder: Path) -> Path | None:
    """The folder with the highest number in the folder of a model; None if there is none."""
    numbered = [path for path in folder.glob("*") if path.name.isdecimal()]
    return max(numbered, key=lambda path: int(path.name), default=None)


def read_published(folder: Path) -> PublishedModel:
    """The model in ``folder``, a version that ``publish`` wrote.

    Raises ``ModelFileError`` if a file is missing or damaged.
    """
    try:
        described = json.loads(folder.joinpath(DESCRIPTION).read_text(encoding="utf-8"))
        hashes: dict[str, str] = described["sha256"]
        for name, sha256 in hashes.items():
            if _sha256(folder / name) != sha256:
                raise ModelFileError(f"{folder / name} is damaged. Publish the model again.")
        fields = _as_tuples(described["spec"])
        # A .cfg file first, where decoders look for it.
        files = sorted(hashes, key=lambda name: not name.endswith(".cfg"))
        spec = ModelSpec(
            **{
                **fields,
                "input": InputFormat(**fields["input"]),
                "output": OutputFormat(**fields["output"]) if fields["output"] else None,
            },
            directory=folder,
            files=tuple(ModelFile(name) for name in files),
            converted=NETWORK,
        )
        return PublishedModel(spec, described["version"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        if isinstance(exc, ModelFileError):
            raise
        raise ModelFileError(
            f"{folder} is no published model, or damaged ({exc}). Publish the model again."
        ) from exc


def _described(spec: ModelSpec) -> dict[str, Any]:
    fields = asdict(spec)
    return {name: fields[name] for name in DESCRIBED}


def _as_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_as_tuples, value))
    if isinstance(value, dict):
        return {key: _as_tuples(each) for key, each in value.items()}
    return value


def _is_quantized(spec: ModelSpec, precision: str) -> bool:
    return precision == "int8" and has_quantized(spec)


def _name_outputs(network: ov.Model) -> None:
    """Name outputs without a name by their place; other servers return outputs by name."""
    for place, output in enumerate(network.outputs):
        if not output.get_names():
            output.get_tensor().set_names({f"output_{place}"})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
