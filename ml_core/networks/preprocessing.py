"""From uint8 RGB pixels to the values that a network was trained on."""

from typing import Any

import numpy as np

from ml_core.catalog.formats import InputFormat

# Luma of ITU-R BT.601, as Pillow and OpenCV use it.
GREY_WEIGHTS = (0.299, 0.587, 0.114)


def scale_and_offset(input_format: InputFormat) -> tuple[np.ndarray, np.ndarray]:
    """(C,) float32 arrays: a channel's value is pixel * scale + offset."""
    channels = 1 if input_format.colours == "grey" else 3
    low, high = input_format.value_range
    std = np.array(input_format.std or [1.0] * channels)
    mean = np.array(input_format.mean or [0.0] * channels)
    scale, offset = (high - low) / 255 / std, (low - mean) / std
    return scale.astype(np.float32), offset.astype(np.float32)


def preprocess_array(pixels: np.ndarray, input_format: InputFormat, dtype: Any) -> np.ndarray:
    """The input of a network from a (B, H, W, 3) uint8 RGB batch, without a framework."""
    values = pixels.astype(np.float32)
    if input_format.colours == "BGR":
        values = values[..., ::-1]
    if input_format.colours == "grey":
        values = values @ np.array(GREY_WEIGHTS, np.float32)[:, None]
    if np.issubdtype(dtype, np.floating):
        scale, offset = scale_and_offset(input_format)
        values = values * scale + offset
    elif dtype == np.int8:
        # Quantized networks with signed input count pixels from -128.
        values = values - 128
    if not np.issubdtype(dtype, np.floating):
        values = values.round()
    if input_format.axes == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return values.astype(dtype)


def preprocess(pixels: Any, input_format: InputFormat, dtype: str) -> Any:
    """The input of a Keras network from a (B, H, W, 3) uint8 RGB tensor; see ``InputFormat``."""
    from keras import ops

    values = ops.cast(pixels, "float32")
    if input_format.colours == "BGR":
        values = ops.flip(values, axis=-1)
    if input_format.colours == "grey":
        values = ops.sum(values * np.array(GREY_WEIGHTS, np.float32), axis=-1, keepdims=True)
    if "int" not in dtype:
        scale, offset = scale_and_offset(input_format)
        values = values * scale + offset
    if input_format.axes == "NCHW":
        values = ops.transpose(values, (0, 3, 1, 2))
    return ops.cast(values, dtype)
