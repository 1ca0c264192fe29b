"""Networks in 8-bit integers: made once by ``quantize_model``, kept beside their weights."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino as ov

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.darknet_cfg import DarknetError
from ml_core.pictures.images import ImageLimits
from ml_core.pictures.labelled_pictures import read_image
from ml_core.pictures.resizing import RESIZE

# What the network was quantized from, in its own file.
ORIGIN = "quantized_from"
# NNCF's own number: more pictures change the ranges no longer.
MOST_PICTURES = 300


def quantized_path(spec: ModelSpec) -> Path:
    """Where the quantized network of ``spec`` is; its numbers are beside it, in a ``.bin``."""
    return spec.directory / f"{spec.name}.int8.xml"


def has_quantized(spec: ModelSpec) -> bool:
    """Whether ``spec`` was quantized."""
    return quantized_path(spec).is_file()


def read_quantized(spec: ModelSpec, converted_path: Path) -> ov.Model:
    """The quantized network. Raises ``DarknetError`` when the model's files have changed since."""
    network = ov.Core().read_model(quantized_path(spec))
    if not network.has_rt_info(ORIGIN) or network.get_rt_info(ORIGIN).astype(str) != _origin(
        converted_path
    ):
        raise DarknetError(
            f"{quantized_path(spec).name} was made from other files. Make it again with: "
            f"python manage.py quantize_model {spec.name}"
        )
    return network


def quantize(
    spec: ModelSpec, converted_path: Path, pictures: Sequence[Path], limits: ImageLimits
) -> ov.Model:
    """The network of ``spec`` in 8-bit integers, their ranges measured on picture files.

    Post-training quantization by NNCF, which has to be installed: symmetric for weights,
    asymmetric for activations (its preset MIXED).
    """
    import nncf

    def network_input(path: Path):
        image = read_image(path, limits)
        return RESIZE[spec.resizing](image, spec.input_wh)[0][None]

    network = nncf.quantize(
        ov.Core().read_model(converted_path),
        nncf.Dataset(pictures, network_input),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=min(len(pictures), MOST_PICTURES),
    )
    network.set_rt_info(_origin(converted_path), ORIGIN)
    return network


def save_quantized(network: ov.Model, spec: ModelSpec) -> None:
    """Keep the quantized network of ``spec``; servers take it at their next start."""
    path = quantized_path(spec)
    with TemporaryDirectory(dir=path.parent, prefix=".quantized-") as folder:
        made = Path(folder) / path.name
        ov.save_model(network, made, compress_to_fp16=False)
        # The file that is looked for comes last.
        made.with_suffix(".bin").replace(path.with_suffix(".bin"))
        made.replace(path)


def _origin(converted_path: Path) -> str:
    return converted_path.parent.name
