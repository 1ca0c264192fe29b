"""The Keras backend: precision, devices, compilation, versions."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import keras
import numpy as np


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Set Keras's dtype policy for the layers built inside; mixed ones compute in 16 bits."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def gpu_count() -> int:
    """The number of GPUs available to the backend."""
    if keras.config.backend() == "torch":
        # keras.distribution does not support torch.
        import torch

        return torch.cuda.device_count()
    try:
        return len(keras.distribution.list_devices("gpu"))
    # JAX raises it if there is no GPU.
    except RuntimeError:
        return 0


def jit_compile() -> str | bool:
    """The ``jit_compile`` argument: off for TensorFlow on a CPU, where XLA is slower.

    Measured on 2 cores: 2.39 s per step with XLA, 1.59 s without.
    """
    return "auto" if gpu_count() or keras.config.backend() != "tensorflow" else False


def software_versions() -> str:
    """The versions that a model card states: Python, Keras, its backend, NumPy."""
    backend = keras.config.backend()
    return (
        f"Python {platform.python_version()}, Keras {keras.__version__}, "
        f"{backend} {version(backend)}, NumPy {np.__version__}"
    )
