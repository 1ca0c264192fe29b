"""Training batches for a classifier, augmented in a thread while the network computes."""

import keras
import numpy as np

from ml_core.training.classification.data import Split

CROP_PADDING = 4
BATCHES_AHEAD = 8


class AugmentedBatches(keras.utils.PyDataset):
    """(images (B, H, W, 3) uint8, one-hot labels (B, num_classes) float32).

    A batch depends only on the seed, the epoch and its index, so a resumed training sees the same
    pictures as an uninterrupted one.
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
        # An incomplete last batch would disturb batch normalisation, so it is dropped; the next
        # epoch is shuffled differently.
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
        images = random_flip(random_crop(self.split.images[rows], rng), rng)
        if self.cutout:
            images = random_cutout(images, rng, side=self.cutout, fill=self.fill)
        return images, self.one_hot[self.split.class_ids[rows]]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.split))


def random_crop(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each of (B, H, W, 3) by up to 4 pixels, with reflection padding."""
    count, height, width, _ = images.shape
    sides = (CROP_PADDING, CROP_PADDING)
    padded = np.pad(images, ((0, 0), sides, sides, (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    top, left = rng.integers(0, 2 * CROP_PADDING + 1, (2, count))
    return windows[np.arange(count), top, left].transpose(0, 2, 3, 1)


def random_flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip each of (B, H, W, 3) horizontally with probability 0.5."""
    is_flipped = rng.random(len(images)) < 0.5
    return np.where(is_flipped[:, None, None, None], images[:, :, ::-1], images)


def random_cutout(
    images: np.ndarray, rng: np.random.Generator, *, side: int, fill: np.ndarray
) -> np.ndarray:
    """Cutout (https://arxiv.org/abs/1708.04552): cover a random square in each of (B, H, W, 3).

    ``side`` is the square's side in pixels, ``fill`` its (3,) uint8 colour.
    """
    count, height, width, _ = images.shape
    rows = np.arange(height) - rng.integers(0, height, (count, 1)) + side // 2
    columns = np.arange(width) - rng.integers(0, width, (count, 1)) + side // 2
    in_rows, in_columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
    covered = in_rows[:, :, None] & in_columns[:, None, :]
    return np.where(covered[..., None], fill, images)
