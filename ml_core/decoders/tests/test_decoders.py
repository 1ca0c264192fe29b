"""Each output layout: recognised by its shapes, and decoded as a plain loop over its rows does."""

import numpy as np
import pytest

from ml_core.catalog.formats import OutputFormat
from ml_core.decoders import decode_outputs, label_ids, recognise_layout
from ml_core.errors import InferenceFailed
from ml_core.labels import COCO_LABELS
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import FULL_INPUT
from ml_core.postprocessing import detections_from_candidates

INPUT_WH = (96, 64)
STRIDES = (8, 16, 32)
CELLS = 12 * 8 + 6 * 4 + 3 * 2
CLASSES = 7
FLOOR = 0.05

Row = tuple[float, float, float, float, int, float]


def random(*shape: int, low: float = 0, high: float = 1) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


def decoded(outputs: dict[str, np.ndarray], class_count: int | None = None) -> list[Row]:
    """Recognise and decode; rows of x_min, y_min, x_max, y_max in pixels, class and score."""
    found = recognise_layout(outputs, INPUT_WH, class_count)
    assert found
    candidates = decode_outputs(
        [outputs[name][0] for name in found.output.tensors],
        found.output,
        INPUT_WH,
        class_count=found.class_count or class_count or len(COCO_LABELS),
        score_floor=FLOOR,
    )
    width, height = INPUT_WH
    boxes = candidates.boxes_rel_xyxy * [width, height, width, height]
    return [
        (*map(float, box), int(class_id), float(score))
        for box, class_id, score in zip(boxes, candidates.class_ids, candidates.scores, strict=True)
    ]


def corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def assert_same(rows: list[Row], expected: list[Row]) -> None:
    assert len(rows) == len(expected) > 0
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4)


def boxes_in_pixels(count: int) -> np.ndarray:
    return random(count, 4) * [96, 64, 40, 30]


@pytest.mark.parametrize("is_relative", [False, True])
def test_yolov5_rows_are_centre_size_objectness_and_classes(is_relative):
    rows = np.concatenate([boxes_in_pixels(CELLS * 3), random(CELLS * 3, 1 + CLASSES)], axis=1)
    given = rows.copy()
    if is_relative:
        given[:, :4] /= [96, 64, 96, 64]

    found = decoded({"output0": given[None].astype(np.float32)})

    expected = []
    for x, y, width, height, objectness, *classes in rows.tolist():
        class_id = int(np.argmax(classes))
        score = objectness * classes[class_id]
        if score >= FLOOR:
            expected.append((*corners(x, y, width, height), class_id, score))
    assert_same(found, expected)


def test_yolov8_columns_are_centre_size_and_classes():
    columns = np.concatenate([boxes_in_pixels(CELLS), random(CELLS, CLASSES) ** 8], axis=1).T

    found = decoded({"output0": columns[None].astype(np.float32)})

    expected = []
    for x, y, width, height, *classes in columns.T.tolist():
        class_id = int(np.argmax(classes))
        if classes[class_id] >= FLOOR:
            expected.append((*corners(x, y, width, height), class_id, classes[class_id]))
    assert_same(found, expected)


def test_transposed_yolov8_is_recognised_by_the_number_of_labels():
    rows = np.concatenate([boxes_in_pixels(CELLS), random(CELLS, CLASSES)], axis=1)
    outputs = {"output0": rows[None].astype(np.float32)}

    assert_same(
        decoded(outputs, class_count=CLASSES),
        decoded({"output0": rows.T[None].astype(np.float32)}),
    )


def test_yolox_rows_are_grid_units_of_three_strides():
    rows = np.concatenate([random(CELLS, 4, low=-1), random(CELLS, 1 + CLASSES)], axis=1)

    found = decoded({"output": rows[None]})

    expected = []
    remaining = iter(rows.tolist())
    for stride in STRIDES:
        for row in range(INPUT_WH[1] // stride):
            for column in range(INPUT_WH[0] // stride):
                x, y, width, height, objectness, *classes = next(remaining)
                class_id = int(np.argmax(classes))
                box = corners(
                    (x + column) * stride,
                    (y + row) * stride,
                    np.exp(width) * stride,
                    np.exp(height) * stride,
                )
                if objectness * classes[class_id] >= FLOOR:
                    expected.append((*box, class_id, objectness * classes[class_id]))
    assert_same(found, expected)


def test_yolox_exported_with_its_decoding_is_in_pixels():
    rows = np.concatenate([boxes_in_pixels(CELLS), random(CELLS, 1 + CLASSES)], axis=1)

    found = recognise_layout({"output": rows[None].astype(np.float32)}, INPUT_WH)

    assert found
    assert (found.output.layout, found.class_count) == ("yolov5", CLASSES)


def test_end_to_end_rows_are_corners_score_and_class():
    boxes = np.sort(random(30, 2, 2), axis=1).reshape(30, 4) * [96, 64, 96, 64]
    rows = np.column_stack([boxes, random(30, 1), np.arange(30) % CLASSES])

    found = decoded({"output0": rows[None].astype(np.float32)}, class_count=CLASSES)

    assert_same(found, [(*r[:4], int(r[5]), r[4]) for r in rows.tolist() if r[4] >= FLOOR])


def test_rt_detr_scores_each_class_by_a_sigmoid():
    logits, boxes = random(1, 20, 80, low=-6, high=0), random(1, 20, 4)

    found = decoded({"pred_logits": logits, "pred_boxes": boxes})

    expected = []
    for query, box in zip(logits[0].tolist(), boxes[0].tolist(), strict=True):
        for class_id, logit in enumerate(query):
            score = 1 / (1 + np.exp(-logit))
            if score >= FLOOR:
                box_xyxy = np.multiply(corners(*box), [96, 64, 96, 64])
                expected.append((*box_xyxy, class_id, score))
    assert_same(found, expected)


def test_detr_has_coco_ids_with_gaps_and_no_object_as_the_last_class():
    logits, boxes = random(1, 20, 92, low=-3, high=3), random(1, 20, 4)
    # A dog (category 18), "no object", and category 12, which is a gap.
    for query, class_id in enumerate([18, 91, 12]):
        logits[0, query, class_id] = 20

    found = decoded({"boxes": boxes, "scores": logits})

    confident = [row for row in found if row[5] > 0.9]
    assert [COCO_LABELS[row[4]] for row in confident] == ["dog"]


def test_rf_detr_has_coco_ids_with_gaps_from_0_to_90():
    logits = np.full((1, 20, 91), -9, np.float32)
    logits[0, 3, 18] = 9

    ((*_, class_id, score),) = decoded({"dets": random(1, 20, 4), "labels": logits})

    assert (COCO_LABELS[class_id], round(score, 3)) == ("dog", 1.0)


def final_boxes(count: int, *, scale: tuple[int, ...]) -> np.ndarray:
    return (np.sort(random(count, 2, 2), axis=1).reshape(1, count, 4) * scale).astype(np.float32)


def test_torchvision_counts_coco_ids_from_one():
    boxes = final_boxes(9, scale=(96, 64, 96, 64))
    scores = np.sort(random(1, 9))[:, ::-1]
    labels = np.full((1, 9), 18.0, np.float32)

    found = decoded({"boxes": boxes, "labels": labels, "scores": scores})

    expected = zip(boxes[0].tolist(), scores[0].tolist(), strict=True)
    dog = COCO_LABELS.index("dog")
    assert_same(found, [(*box, dog, score) for box, score in expected if score >= FLOOR])


def test_rt_detr_for_deployment_counts_80_classes_from_zero():
    outputs = {
        "labels": np.full((1, 9), 16.0, np.float32),
        "boxes": final_boxes(9, scale=(96, 64, 96, 64)),
        "scores": np.full((1, 9), 0.9, np.float32),
    }

    assert {COCO_LABELS[row[4]] for row in decoded(outputs)} == {"dog"}


def ssd(first_class: float) -> list[np.ndarray]:
    boxes = final_boxes(10, scale=(1, 1, 1, 1))
    scores = np.linspace(0.9, 0.05, 10, dtype=np.float32)[None]
    return [boxes, np.full((1, 10), first_class, np.float32), scores, np.array([4], np.float32)]


@pytest.mark.parametrize(
    ("names", "dog"),
    [
        (["detection_boxes", "detection_classes", "detection_scores", "num_detections"], 18),
        ([f"TFLite_Detection_PostProcess{end}" for end in ("", ":1", ":2", ":3")], 17),
    ],
)
def test_ssd_boxes_begin_with_y_and_end_at_the_count(names, dog):
    arrays = ssd(dog)

    found = decoded(dict(zip(names, arrays, strict=True)))

    expected = []
    for index in range(4):
        y_min, x_min, y_max, x_max = arrays[0][0, index].tolist()
        box = (x_min * 96, y_min * 64, x_max * 96, y_max * 64)
        expected.append((*box, COCO_LABELS.index("dog"), float(arrays[2][0, index])))
    assert_same(found, expected)


def test_ssd_outputs_in_any_order_are_told_by_their_values():
    boxes, classes, scores, count = ssd(17)

    named = decoded({"a": scores, "b": boxes, "c": count, "d": classes}, class_count=CLASSES * 3)

    assert [row[5] for row in named] == pytest.approx(scores[0, :4].tolist())


@pytest.mark.parametrize(
    "shapes", [[(1, 10)], [(1, 85, 7)], [(1, 116, CELLS), (1, 32, 16, 24)], [(1, 5, 4)], [()]]
)
def test_other_shapes_are_not_recognised(shapes):
    outputs = {f"output{i}": random(*shape) for i, shape in enumerate(shapes)}

    assert recognise_layout(outputs, INPUT_WH) is None


def test_a_picture_without_objects_has_no_boxes():
    rows = np.zeros((1, 9, 6), np.float32)

    found = recognise_layout({"output0": rows}, INPUT_WH, CLASSES)

    assert found
    candidates = decode_outputs(
        [rows[0]], found.output, INPUT_WH, class_count=CLASSES, score_floor=FLOOR
    )
    assert candidates.boxes_rel_xyxy.shape == (0, 4)


def test_outputs_that_are_not_finite_are_an_error():
    rows = np.full((9, 6), np.nan, np.float32)

    with pytest.raises(InferenceFailed, match="not finite"):
        decode_outputs(
            [rows], OutputFormat("end-to-end"), INPUT_WH, class_count=2, score_floor=FLOOR
        )


def test_numbers_without_a_label_are_negative():
    ids = np.array([0, 1, 12, 90, 91])

    from_one = label_ids(ids, OutputFormat("detr", first_class_id=1, is_sparse_coco=True))

    assert from_one.tolist() == [-1, 0, -1, 79, -1]


def test_boxes_of_a_network_without_duplicates_are_sorted_but_not_suppressed():
    same_place = np.array([[0.1, 0.1, 0.5, 0.5]] * 3)
    found = Candidates(same_place, np.array([0.3, 0.9, 0.6]), np.zeros(3, int), is_final=True)

    kept = detections_from_candidates(
        found,
        ("dog",),
        placement=FULL_INPUT,
        resolution_wh=INPUT_WH,
        score_threshold=0.25,
        iou_threshold=0.45,
        max_detections=2,
    )

    assert [detection.score for detection in kept] == [0.9, 0.6]
