"""The ImageNet classifier of the catalogue: a network of keras.applications, and its classes."""

import json
from functools import lru_cache
from pathlib import Path

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.specs import ModelFile, ModelSpec

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_WEIGHTS = "weights_mobilenet_v3_large_224_1.0_float.h5"

# Keras itself pins MD5 hashes; Intel's Open Model Zoo states the size and the SHA-384 of the
# weights for the same address. Keras names the network, ``family``.
MOBILENET_V3_LARGE = ModelSpec(
    name="mobilenet-v3-large",
    task="classification",
    family="MobileNetV3Large",
    directory=Path(),
    format="keras application",
    files=(
        ModelFile(
            _WEIGHTS,
            22661472,
            urls=(f"{_KERAS}/mobilenet_v3/{_WEIGHTS}",),
            published_hash=(
                "sha384:4e7e0ecab69b15ecde1e3f4c494826cece07169bdc14d7da29eb07bef718c32f"
                "532d952d0b3113ffaca95c2d6d9577b5"
            ),
        ),
        ModelFile(
            "imagenet_class_index.json",
            35363,
            urls=(
                "https://storage.googleapis.com/download.tensorflow.org/data/"
                "imagenet_class_index.json",
            ),
            published_hash="md5:c2c37ea517e94d9795004a39431a14cb",
        ),
    ),
    input_wh=(224, 224),
    resizing="stretch",
    labels=(),
    accuracy_percent=75.6,
    licence="Apache-2.0",
    origin="https://keras.io/api/applications/mobilenet/",
)


def read_class_names(path: Path) -> tuple[str, ...]:
    """The class names in Keras' class index, read again when the file changed.

    Raises ``ModelFileError`` if it is no class index.
    """
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, mtime_ns: int, size_bytes: int) -> tuple[str, ...]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if not index:
            raise ValueError("it names no class")
        return tuple(index[str(number)][1].replace("_", " ") for number in range(len(index)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as exc:
        raise ModelFileError(f"{path.name} is no class index of Keras: {exc!r}") from exc
