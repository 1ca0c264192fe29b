"""Batches to train on: shuffled, augmented in NumPy, made in a thread ahead of the network."""

import keras
import numpy as np

from ml_core.training.classification.data import Split

CROP_PADDING = 4
BATCHES_AHEAD = 8


class AugmentedBatches(keras.utils.PyDataset):
    """(images (B, H, W, 3) uint8, one-hot labels (B, num_classes) float32).

    A batch depends on the seed, the epoch and its place in the epoch only, so that a training
    that was interrupted sees the same pictures as one that ran through.
    """

    def __init__(
        self,
        split: Split,
        *,
        num_classes: int,
        batch_size: int,
        cutout: int,
        fill: np.ndarray,
        seed: int,
        start_epoch: int,
    ) -> None:
        super().__init__(workers=1, max_queue_size=BATCHES_AHEAD)
        self.split = split
        self.one_hot = np.eye(num_classes, dtype=np.float32)
        # A last batch of a few pictures would disturb the batch normalisation: it is left out,
        # and another shuffle brings its pictures in the next epoch.
        self.batch_size = min(batch_size, len(split))
        self.cutout = cutout
        self.fill = fill
        self.seed = seed
        self.epoch = start_epoch
        self.order = self._shuffled()

    def __len__(self) -> int:
        return len(self.split) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = flip_some(crop_somewhere(self.split.images[rows], rng), rng)
        if self.cutout:
            images = cut_out(images, rng, side=self.cutout, fill=self.fill)
        return images, self.one_hot[self.split.class_ids[rows]]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.split))


def crop_somewhere(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each of (B, H, W, 3) by up to 4 pixels; the border is filled by reflection."""
    count, height, width, _ = images.shape
    sides = (CROP_PADDING, CROP_PADDING)
    padded = np.pad(images, ((0, 0), sides, sides, (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    top, left = rng.integers(0, 2 * CROP_PADDING + 1, (2, count))
    return windows[np.arange(count), top, left].transpose(0, 2, 3, 1)


def flip_some(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror about half of (B, H, W, 3) left to right."""
    mirrored = rng.random(len(images)) < 0.5
    return np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


def cut_out(
    images: np.ndarray, rng: np.random.Generator, *, side: int, fill: np.ndarray
) -> np.ndarray:
    """Cover a square of ``side`` pixels, centred anywhere in each of (B, H, W, 3), with the
    colour ``fill`` (3,) uint8 (https://arxiv.org/abs/1708.04552)."""
    count, height, width, _ = images.shape
    rows = np.arange(height) - rng.integers(0, height, (count, 1)) + side // 2
    columns = np.arange(width) - rng.integers(0, width, (count, 1)) + side // 2
    in_rows, in_columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
    covered = in_rows[:, :, None] & in_columns[:, None, :]
    return np.where(covered[..., None], fill, images)
