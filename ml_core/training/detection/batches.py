"""Training batches for a detector, prepared in threads while the network computes."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from ml_core.pictures.images import ImageLimits
from ml_core.pictures.labelled_pictures import LabelledPicture, read_image
from ml_core.training.detection.mosaic import Example, augment, mosaic
from ml_core.training.detection.yolo_targets import AnchorGrid, build_targets

# Half of the pictures are mosaics, except in the last tenth of the epochs, so that training ends
# on pictures like those seen in inference (YOLOX, arXiv:2107.08430, section 2.1).
MOSAIC_SHARE = 0.5
PLAIN_EPOCHS = 0.1
# Of a picture with more objects, only the largest are used.
MAX_OBJECTS = 64
# Decoding takes half of the time, so decoded pictures are cached up to this total.
CACHE_BYTES = 4 * 2**30
# Not those of uploads: the pictures are the user's own, and there may be no Django settings.
LIMITS = ImageLimits(max_bytes=100_000_000, max_pixels=100_000_000)


class DetectionBatches(keras.utils.PyDataset):
    """(images (B, side, side, 3) uint8, {"targets": (B, N, 6), "boxes": (B, M, 4)} float32).

    Targets and boxes are the arguments of ``yolo_loss``. A batch depends only on the seed, the
    epoch and its index, so a resumed training sees the same pictures as an uninterrupted one.
    """

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        grid: AnchorGrid,
        *,
        side: int,
        batch_size: int,
        epochs: int,
        seed: int,
        start_epoch: int,
    ) -> None:
        threads = os.cpu_count() or 1
        super().__init__(workers=threads, max_queue_size=2 * threads)
        self.pictures = pictures
        self.grid = grid
        self.side = side
        # An incomplete last batch would disturb batch normalisation, so it is dropped; the next
        # epoch is shuffled differently.
        self.batch_size = min(batch_size, len(pictures))
        self.mosaic_epochs = epochs - max(1, round(PLAIN_EPOCHS * epochs))
        self.seed = seed
        self.epoch = start_epoch
        self.order = self._shuffled()
        self.cache: dict[int, np.ndarray] = {}
        self.cached_bytes = 0

    def __len__(self) -> int:
        return len(self.pictures) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        examples = [self._example(row, rng) for row in rows]
        labels = [targets_and_boxes(example, self.grid) for example in examples]
        targets, boxes = (np.stack(parts) for parts in zip(*labels, strict=True))
        images = np.stack([example.image for example in examples])
        return images, {"targets": targets, "boxes": boxes}

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.pictures))

    def _example(self, row: int, rng: np.random.Generator) -> Example:
        is_mosaic = rng.random() < MOSAIC_SHARE
        if self.epoch >= self.mosaic_epochs or not is_mosaic:
            return augment(self._read(row), self.side, rng)
        others = rng.integers(0, len(self.pictures), 3)
        return mosaic([self._read(other) for other in (row, *others)], self.side, rng)

    def _read(self, row: int) -> Example:
        picture = self.pictures[row]
        image = self.cache.get(row)
        if image is None:
            image = read_image(picture.path, LIMITS)
            if self.cached_bytes < CACHE_BYTES:
                self.cache[row] = image
                self.cached_bytes += image.nbytes
        return Example(
            image, picture.boxes_xyxy, np.stack([picture.class_ids, picture.scores], axis=1)
        )


def targets_and_boxes(example: Example, grid: AnchorGrid) -> tuple[np.ndarray, np.ndarray]:
    """The (N, 6) targets and (M, 4) boxes, float32, of a picture of the network's input size."""
    height, width = example.image.shape[:2]
    corners = example.boxes_xyxy / (width, height, width, height)
    sizes = corners[:, 2:] - corners[:, :2]
    boxes = np.concatenate([corners[:, :2] + sizes / 2, sizes], axis=1)
    largest = np.argsort(-sizes.prod(axis=1), kind="stable")[:MAX_OBJECTS]
    boxes, labels = boxes[largest], example.labels[largest]
    padded = np.zeros((MAX_OBJECTS, 4), np.float32)
    padded[: len(boxes)] = boxes
    return build_targets(grid, boxes, labels[:, 0], labels[:, 1]), padded
