"""The learning rate schedule."""

import math
from typing import Any

import keras
from keras import ops

# The share of all steps until the peak, and the first learning rate as a share of the peak.
WARM_UP = 0.1
START = 0.1


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One-cycle schedule: linear warm-up from a tenth of ``peak``, then cosine decay to 0.

    The high rate in between finds flat minima, the decay converges in one
    (https://arxiv.org/abs/1708.07120).
    """

    def __init__(self, *, peak: float, total_steps: int) -> None:
        self.peak = peak
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        progress = ops.cast(step, "float32") / self.total_steps
        rising = START + (1 - START) * progress / WARM_UP
        falling = (1 + ops.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
        return self.peak * ops.where(progress < WARM_UP, rising, falling)
