"""Trainings of a few steps, most of whose time would be spent on TensorFlow's graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from unittest import mock

import keras


@contextmanager
def without_graph() -> Iterator[None]:
    """Trainings compute each step operation by operation, in Python."""
    eager = partialmethod(keras.Model.compile, run_eagerly=True)
    with mock.patch.object(keras.Model, "compile", eager):
        yield
