"""Quantized networks (8-bit integers): written by ``quantize_model`` beside the weights."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import openvino as ov

from ml_core.catalog.specs import ModelSpec
from ml_core.engines.openvino_core import CORE
from ml_core.errors import ModelUnusable, manage_command

if TYPE_CHECKING:
    from ml_core.pictures.images import ImageLimits

# The metadata key that names the converted model a network was quantized from.
ORIGIN = "quantized_from"
# NNCF's default; more pictures barely change the calibrated ranges.
MAX_CALIBRATION_PICTURES = 300


def quantized_path(spec: ModelSpec) -> Path:
    """The path of the quantized network of ``spec``; its weights are in the ``.bin`` beside it."""
    return spec.directory / f"{spec.name}.int8.xml"


def has_quantized(spec: ModelSpec) -> bool:
    """Whether there is a quantized network of ``spec``."""
    return quantized_path(spec).is_file()


def read_quantized(spec: ModelSpec, converted_path: Path) -> ov.Model:
    """Read the quantized network. Raises ``ModelUnusable`` if the model has changed since."""
    network = CORE.read_model(quantized_path(spec))
    if not network.has_rt_info(ORIGIN) or network.get_rt_info(ORIGIN).astype(str) != _origin(
        converted_path
    ):
        raise ModelUnusable(
            f"{spec.name} cannot be used: {quantized_path(spec).name} was made from other files.",
            command=manage_command(f"quantize_model {spec.name}"),
        )
    return network


def quantize(
    spec: ModelSpec, converted_path: Path, pictures: Sequence[Path], limits: "ImageLimits"
) -> ov.Model:
    """Quantize the network of ``spec`` to 8-bit integers, calibrated on picture files.

    Post-training quantization by NNCF, which must be installed; its preset MIXED is symmetric for
    weights and asymmetric for activations.
    """
    import nncf

    # Imported here, as machines that only run networks read no pictures.
    from ml_core.pictures.labelled_pictures import read_image
    from ml_core.pictures.resizing import resize_to_input

    def network_input(path: Path):
        image = read_image(path, limits)
        return resize_to_input(image, spec)[0][None]

    network = nncf.quantize(
        CORE.read_model(converted_path),
        nncf.Dataset(pictures, network_input),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=min(len(pictures), MAX_CALIBRATION_PICTURES),
    )
    network.set_rt_info(_origin(converted_path), ORIGIN)
    return network


def save_quantized(network: ov.Model, spec: ModelSpec) -> None:
    """Save the quantized network of ``spec``; servers load it at their next start."""
    path = quantized_path(spec)
    with TemporaryDirectory(dir=path.parent, prefix=".quantized-") as folder:
        unfinished = Path(folder) / path.name
        ov.save_model(network, unfinished, compress_to_fp16=False)
        # The .xml last, because has_quantized looks for it.
        unfinished.with_suffix(".bin").replace(path.with_suffix(".bin"))
        unfinished.replace(path)


def _origin(converted_path: Path) -> str:
    return converted_path.parent.name
