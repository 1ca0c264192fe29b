"""The learning rate over the whole training."""

import math
from typing import Any

import keras
from keras import ops

WARM_UP = 0.1
START = 0.1


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Up in a straight line during the first tenth of the steps, then down to 0 along a cosine.

    Starts at a tenth of ``peak``. The high rate in the middle finds flat minima, the fall to
    zero settles in one (https://arxiv.org/abs/1708.07120).
    """

    def __init__(self, *, peak: float, total_steps: int) -> None:
        self.peak = peak
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        progress = ops.cast(step, "float32") / self.total_steps
        rising = START + (1 - START) * progress / WARM_UP
        falling = (1 + ops.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
        return self.peak * ops.where(progress < WARM_UP, rising, falling)
