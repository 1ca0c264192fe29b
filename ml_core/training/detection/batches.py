"""Batches of labelled pictures to train a detector on, made in threads ahead of the network."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from ml_core.pictures.images import ImageLimits
from ml_core.pictures.labelled_pictures import LabelledPicture, read_image
from ml_core.training.detection.mosaic import Example, alone, mosaic
from ml_core.training.detection.yolo_targets import Slots, targets_of

# Half of the pictures are mosaics, but none in the last tenth of the epochs: what is detected
# later is none either (YOLOX, arXiv:2107.08430, section 2.1).
MOSAIC_SHARE = 0.5
PLAIN_EPOCHS = 0.1
# Of more objects in a picture, the largest are learnt.
MOST_OBJECTS = 64
# Decoded pictures are kept in memory up to this size: decoding takes half of the time.
KEPT_BYTES = 4 * 2**30
LIMITS = ImageLimits(max_bytes=100_000_000, max_pixels=100_000_000)


class DetectionBatches(keras.utils.PyDataset):
    """(images (B, side, side, 3) uint8, {"targets": (B, N, 6), "boxes": (B, M, 4)} float32).

    The latter are what ``yolo_loss`` takes. A batch depends on the seed, the epoch and its place
    in the epoch only, so that a training that was interrupted sees the same pictures as one that
    ran through.
    """

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        slots: Slots,
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
        self.slots = slots
        self.side = side
        # A last batch of a few pictures would disturb the batch normalisation: it is left out,
        # and another shuffle brings its pictures in the next epoch.
        self.batch_size = min(batch_size, len(pictures))
        self.mosaic_epochs = epochs - max(1, round(PLAIN_EPOCHS * epochs))
        self.seed = seed
        self.epoch = start_epoch
        self.order = self._shuffled()
        self.kept: dict[int, np.ndarray] = {}
        self.kept_bytes = 0

    def __len__(self) -> int:
        return len(self.pictures) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        examples = [self._example(row, rng) for row in rows]
        answers = [targets_and_boxes(example, self.slots) for example in examples]
        targets, boxes = (np.stack(parts) for parts in zip(*answers, strict=True))
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
            return alone(self._read(row), self.side, rng)
        others = rng.integers(0, len(self.pictures), 3)
        return mosaic([self._read(other) for other in (row, *others)], self.side, rng)

    def _read(self, row: int) -> Example:
        picture = self.pictures[row]
        image = self.kept.get(row)
        if image is None:
            image = read_image(picture.path, LIMITS)
            if self.kept_bytes < KEPT_BYTES:
                self.kept[row] = image
                self.kept_bytes += image.nbytes
        return Example(
            image, picture.boxes_xyxy, np.stack([picture.class_ids, picture.scores], axis=1)
        )


def targets_and_boxes(example: Example, slots: Slots) -> tuple[np.ndarray, np.ndarray]:
    """What ``yolo_loss`` takes of a picture of the network's size: (N, 6) and (M, 4) float32."""
    height, width = example.image.shape[:2]
    corners = example.boxes_xyxy / (width, height, width, height)
    sizes = corners[:, 2:] - corners[:, :2]
    boxes = np.concatenate([corners[:, :2] + sizes / 2, sizes], axis=1)
    largest = np.argsort(-sizes.prod(axis=1), kind="stable")[:MOST_OBJECTS]
    boxes, labels = boxes[largest], example.labels[largest]
    filled = np.zeros((MOST_OBJECTS, 4), np.float32)
    filled[: len(boxes)] = boxes
    return targets_of(slots, boxes, labels[:, 0], labels[:, 1]), filled
