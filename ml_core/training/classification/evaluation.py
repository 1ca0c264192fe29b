"""Evaluate a classifier on a test split."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ml_core.training.classification.data import Split

BATCH_SIZE = 250


@dataclass(frozen=True)
class Evaluation:
    """``confusion`` (C, C) counts pictures by true class (row) and predicted class (column)."""

    labels: tuple[str, ...]
    confusion: np.ndarray

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """The share of correct predictions, in [0, 1]."""
        return float(np.trace(self.confusion) / self.count)

    @property
    def class_counts(self) -> tuple[int, ...]:
        return tuple(int(count) for count in self.confusion.sum(axis=1))

    @property
    def class_accuracy(self) -> tuple[float | None, ...]:
        """The share of correct predictions per class, in [0, 1]; None without pictures."""
        correct = np.diagonal(self.confusion)
        return tuple(
            float(hits / count) if count else None
            for hits, count in zip(correct, self.class_counts, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """The values as plain Python objects, for JSON."""
        per_class = zip(self.labels, self.class_counts, self.class_accuracy, strict=True)
        return {
            "count": self.count,
            "accuracy": self.accuracy,
            "classes": [
                {"class_name": label, "count": count, "accuracy": accuracy}
                for label, count, accuracy in per_class
            ],
            "confusion": self.confusion.tolist(),
        }


def evaluate(model: keras.Model, split: Split, labels: tuple[str, ...]) -> Evaluation:
    """Classify every picture of ``split``."""
    probabilities = model.predict(split.images, batch_size=BATCH_SIZE, verbose=0)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (split.class_ids, probabilities.argmax(axis=1)), 1)
    return Evaluation(labels, confusion)
