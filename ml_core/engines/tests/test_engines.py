"""The engines compared with each other."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import Engine, load_engine
from ml_core.engines.conversion import LOCK, PROJECT_ROOT, ensure_converted
from ml_core.engines.tests.test_user_formats import make_spec
from ml_core.networks.darknet_cfg import parse_config
from ml_core.networks.loading import load_network
from ml_core.networks.tests.random_weights import write_random_weights
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import box_iou, non_max_suppression
from ml_core.pictures.images import ImageLimits, decode_image
from ml_core.pictures.labelled_pictures import read_labelled_pictures
from ml_core.pictures.resizing import stretch
from ml_core.tests.toy_network import BLUE, CONFIG, RED, cells_picture, install_toy_network

# Raw feature maps, and the boxes decoded from them.
Outputs = tuple[list[np.ndarray], Candidates]

SAMPLES = ["cars", "dog", "eagle", "giraffe", "horses", "kite", "person"]


def load(spec: ModelSpec, kind: str, precision: str, converted_dir: Path) -> Engine:
    return load_engine(spec, kind=kind, precision=precision, cache_dir=converted_dir)


@pytest.fixture(scope="module")
def outputs(shared_dir, converted_dir) -> dict[tuple[str, str], list[Outputs]]:
    """The outputs of each engine in each precision for the sample pictures."""
    limits = ImageLimits(10**8, 10**8)
    files = [shared_dir / "samples" / f"{name}.jpg" for name in SAMPLES]
    pictures = [stretch(decode_image(f.read_bytes(), limits), (320, 320))[0] for f in files]
    spec = read_catalog(shared_dir / "models")["yolo-fastest-1.1-xl"]
    found = {}
    for kind in ("openvino", "tensorflow"):
        # float32 first, because TensorFlow's bfloat16 applies to the whole process.
        for precision in ("float32", "bfloat16"):
            engine = load(spec, kind, precision, converted_dir)
            found[kind, precision] = [
                (engine.outputs(picture[None]), engine.infer(picture[None])[0])
                for picture in pictures
            ]
    # Other tests of this process compute in float32.
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": False})
    return found


def suppressed_boxes(found: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = non_max_suppression(
        found.boxes_rel_xyxy, found.scores, found.class_ids, iou_threshold=0.45, max_detections=300
    )
    boxes, scores, class_ids = found.boxes_rel_xyxy, found.scores, found.class_ids
    return boxes[kept], scores[kept], class_ids[kept]


@pytest.mark.parametrize("kind", ["openvino", "tensorflow"])
def test_the_toy_network_finds_its_cells(kind, toy_model_dir, tmp_path, converted_in_children):
    engine = load(read_catalog(toy_model_dir)["toy"], kind, "float32", tmp_path)
    picture = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}))

    (found,) = engine.infer(picture[None])

    np.testing.assert_allclose(found.boxes_rel_xyxy * 3, [[1, 0, 2, 1], [2, 2, 3, 3]], atol=1e-5)
    assert found.class_ids.tolist() == [0, 1]
    assert (found.scores > 0.99).all()


def test_engines_agree_in_float32(outputs):
    for (ours, _), (theirs, _) in zip(
        outputs["openvino", "float32"], outputs["tensorflow", "float32"], strict=True
    ):
        for head, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(head, other, atol=1e-3)


@pytest.mark.parametrize("kind", ["openvino", "tensorflow"])
def test_bfloat16_finds_the_same_boxes(kind, outputs):
    for name, (_, exact), (_, rounded) in zip(
        SAMPLES, outputs[kind, "float32"], outputs[kind, "bfloat16"], strict=True
    ):
        boxes, scores, class_ids = suppressed_boxes(exact)
        other_boxes, _, other_ids = suppressed_boxes(rounded)
        same_class = class_ids[:, None] == other_ids[None]

        # For objects of a few pixels, a shift below one pixel already costs a tenth of the IoU.
        shift_pixels = np.abs(boxes[:, None] - other_boxes[None]).max(axis=2) * 320
        same = same_class & ((box_iou(boxes, other_boxes) > 0.9) | (shift_pixels < 1))
        # Boxes near the display threshold may appear or vanish by rounding; others must not.
        assert same.any(axis=1)[scores > 0.35].all(), name


def test_bfloat16_keeps_all_but_a_few_boxes_of_real_photos_as_the_docs_say(
    shared_dir, converted_dir
):
    folder = shared_dir / "data" / "coco128"
    pictures = read_labelled_pictures(folder / "images", folder / "labels", 80)
    spec = read_catalog(shared_dir / "models")["yolo-fastest-1.1"]
    limits = ImageLimits(10**8, 10**8)
    inputs = [
        stretch(decode_image(picture.path.read_bytes(), limits), spec.input_wh)[0]
        for picture in pictures
    ]
    exact, rounded = (
        load(spec, "openvino", precision, converted_dir) for precision in ("float32", "bfloat16")
    )
    boxes_in_all, changed = 0, 0

    for image in inputs:
        boxes, scores, class_ids = suppressed_boxes(exact.infer(image[None])[0])
        others, _, other_ids = suppressed_boxes(rounded.infer(image[None])[0])
        shift_pixels = np.abs(boxes[:, None] - others[None]).max(axis=2, initial=0) * 320
        same_place = (box_iou(boxes, others) > 0.9) | (shift_pixels < 1)
        is_kept = (same_place & (class_ids[:, None] == other_ids[None])).any(axis=1)
        boxes_in_all += (scores > 0.25).sum()
        changed += (~is_kept & (scores > 0.25)).sum()

    assert boxes_in_all > 500
    # Measured: 11 of 527.
    assert changed <= 0.04 * boxes_in_all


def test_a_model_is_converted_once(toy_model_dir, converted_dir):
    spec = read_catalog(toy_model_dir)["toy"]
    load(spec, "openvino", "float32", converted_dir)
    converted = ensure_converted(spec, converted_dir)
    made = converted.stat().st_mtime_ns

    load(spec, "openvino", "float32", converted_dir)

    assert converted.stat().st_mtime_ns == made


def test_mismatched_weights_are_named_and_leave_no_files(tmp_path, converted_in_children):
    install_toy_network(tmp_path / "models")
    spec = read_catalog(tmp_path / "models")["toy"]
    weights_path = spec.paths[1]
    weights_path.write_bytes(weights_path.read_bytes()[:-4])

    with pytest.raises(ModelFileError, match="toy.weights ends within convolutional_0"):
        load(spec, "openvino", "float32", tmp_path / "converted")

    assert [path.name for path in (tmp_path / "converted").iterdir()] == [LOCK]


def test_a_file_that_is_no_model_is_an_error_and_leaves_no_files(tmp_path, converted_in_children):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no model")

    with pytest.raises(ModelFileError, match="cannot read it"):
        load(make_spec(path, "onnx"), "openvino", "float32", tmp_path / "converted")

    assert [path.name for path in (tmp_path / "converted").iterdir()] == [LOCK]


def test_ten_or_more_outputs_keep_their_order(tmp_path, converted_dir):
    head = CONFIG[CONFIG.index("[convolutional]") :]
    config = CONFIG + ("[route]\nlayers=-2\n" + head.replace("=32\n", "=1\n")) * 11
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "many.cfg").write_text(config)
    write_random_weights(parse_config(config), folder / "many.weights", (96, 96))
    spec = read_catalog(tmp_path)["many"]
    picture = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)

    converted = load(spec, "openvino", "float32", converted_dir).outputs(picture)

    assert len(converted) == 12
    for ours, keras in zip(converted, load_network(spec)(picture), strict=True):
        np.testing.assert_allclose(ours, keras, atol=1e-3)


@pytest.mark.parametrize("kind", ["openvino", "tensorflow"])
def test_an_engine_reports_precision_and_device(kind, toy_model_dir, converted_dir):
    info = load(read_catalog(toy_model_dir)["toy"], kind, "float32", converted_dir).info()

    assert info["engine"] == kind
    assert info["precision"] == "float32"
    assert info["device"] in ("CPU", "GPU")


# The first requests to four networks, made at the same moment.
FIRST_USE = """
import sys, threading
import numpy as np
sys.setswitchinterval(1e-6)
from ml_core.engines import openvino
from openvino import Core, Model, opset13

def request():
    image = opset13.parameter([1, 8, 8, 3], np.uint8)
    return Core().compile_model(Model([image], [image]), "CPU").create_infer_request()

requests = [request() for _ in range(4)]
together = threading.Barrier(4)

def infer(request):
    together.wait()
    request.infer({0: np.zeros((1, 8, 8, 3), np.uint8)})

threads = [threading.Thread(target=infer, args=(request,)) for request in requests]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_simultaneous_first_requests_to_several_models_do_not_deadlock():
    # Without the access at import, about every second process deadlocked.
    for _ in range(6):
        subprocess.run([sys.executable, "-c", FIRST_USE], cwd=PROJECT_ROOT, check=True, timeout=60)


def test_models_that_are_loaded_and_freed_share_one_core(toy_model_dir, tmp_path, monkeypatch):
    spec = read_catalog(toy_model_dir)["toy"]
    monkeypatch.setattr("openvino.Core", lambda: pytest.fail("a second core"))

    for name in ("first", "second"):
        engine = load(spec, "openvino", "float32", tmp_path / name)
        assert engine.info()["engine"] == "openvino"
