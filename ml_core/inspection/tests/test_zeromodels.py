"""RT-DETR and D-FINE of the optional package zeromodels, as Keras files and as ONNX files.

Comparing both needs ``pip install -r requirements-zeromodels.txt tf2onnx``, and takes minutes: so
it is skipped where they are missing.
"""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import numpy_helper

from ml_core.catalog.formats import ModelFileError
from ml_core.engines.conversion import StepProcess
from ml_core.inspection.adding import Places, add_model
from ml_core.inspection.answers import Answers
from ml_core.inspection.trial import trial_decoder, try_once
from ml_core.networks import keras_archive
from ml_core.networks.keras_archive import check_keras_file
from ml_core.networks.yolo import Candidates
from ml_core.pictures.boxes import box_iou, cxcywh_to_xyxy

SIDE, QUERIES = 64, 20
PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
LABELS = ("tomato", "plum", "pear", "fig")
SMALL = {
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "hidden_dim": 32,
    "decoder_num_layers": 2,
    "decoder_ffn_dim": 32,
    "num_queries": QUERIES,
    "num_classes": len(LABELS),
    "image_size": SIDE,
}


def rt_detr() -> keras.Model:
    from zeromodels.models.rt_detr import RTDETRDetect

    return RTDETRDetect(
        backbone_hidden_sizes=(16, 32, 64, 128),
        backbone_block_repeats=(1, 1, 1, 1),
        backbone_embedding_size=16,
        backbone_layer_type="basic",
        encoder_in_channels=(32, 64, 128),
        **SMALL,
    )


def d_fine() -> keras.Model:
    from zeromodels.models.dfine import DFineDetect

    return DFineDetect(
        stem_channels=(3, 8, 8),
        stage_in_channels=(8, 16, 32, 64),
        stage_mid_channels=(8, 8, 16, 32),
        stage_out_channels=(16, 32, 64, 128),
        stage_num_blocks=(1, 1, 1, 1),
        stage_numb_of_layers=(1, 1, 1, 1),
        encoder_in_channels=(32, 64, 128),
        **SMALL,
    )


# tf2onnx cannot write D-FINE.
@pytest.mark.parametrize(("build", "formats"), [(rt_detr, ["keras", "onnx"]), (d_fine, ["keras"])])
def test_files_of_a_detector_find_the_boxes_that_keras_finds(build, formats, tmp_path):
    for package in ("zeromodels", "tf2onnx"):
        pytest.importorskip(package, reason="needs requirements-zeromodels.txt and tf2onnx")
    keras.utils.set_random_seed(0)
    model = build()
    model.save(tmp_path / "net.keras")
    if "onnx" in formats:
        write_onnx(model, tmp_path / "net.onnx")

    answers = [predicted(tmp_path, tmp_path / f"net.{suffix}") for suffix in formats]

    outputs = model(PICTURE[None].astype(np.float32) / 255, training=False)
    scores = 1 / (1 + np.exp(-outputs["logits"].numpy()[0]))
    queries, class_ids = np.nonzero(scores >= 0.05)
    assert len(queries) > QUERIES
    boxes = cxcywh_to_xyxy(outputs["pred_boxes"].numpy()[0, queries])
    for found in answers:
        assert found.class_ids.tolist() == class_ids.tolist()
        np.testing.assert_allclose(found.scores, scores[queries, class_ids], atol=1e-3)
        for expected in (boxes, answers[0].boxes_rel_xyxy):
            assert np.diag(box_iou(found.boxes_rel_xyxy, expected)).min() > 0.99


def write_onnx(model: keras.Model, path: Path) -> None:
    import tf2onnx

    def erfc(graph: Any, node: Any, name: str, arguments: object) -> None:
        """Keras' exact GELU uses it, and ONNX has only its complement."""
        graph.remove_node(name)
        one = graph.make_const(f"{name}/one", np.float32(1))
        erf = graph.make_node("Erf", node.input)
        graph.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=node.output)

    signature = [tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32, name="image")]
    function = tf.function(lambda image: model(image, training=False), input_signature=signature)
    handlers = {"Erfc": (erfc, [])}
    network, _ = tf2onnx.convert.from_function(
        function, signature, opset=17, custom_op_handlers=handlers
    )
    # tf2onnx makes inputs of constants that the layers hold.
    for outer, inner in function.get_concrete_function().graph.captures:
        for given in [given for given in network.graph.input if given.name == inner.name]:
            network.graph.initializer.append(numpy_helper.from_array(outer.numpy(), inner.name))
            network.graph.input.remove(given)
    onnx.save(network, str(path))


def predicted(folder: Path, path: Path) -> Candidates:
    """The boxes that the file's model finds once it is added."""
    places = Places(folder / "models", folder / "converted", 10**9)
    samples = {"detection": PICTURE, "classification": PICTURE}
    spec = add_model([path], samples, Answers(labels=LABELS), places, is_dry_run=True).spec
    assert (spec.family, spec.input.value_range, spec.resizing) == ("RT-DETR", (0, 1), "stretch")
    # A dry run leaves the file where it was.
    spec = replace(spec, directory=folder)
    with StepProcess() as process:
        outputs = try_once(process, spec, PICTURE)
    found = trial_decoder(spec)(outputs)
    assert isinstance(found, Candidates)
    return found


def keras_file(path: Path, config: dict[str, object]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


DETECTOR = {
    "module": "zeromodels.models.rt_detr.rt_detr_model",
    "class_name": "RTDETRDetect",
    "config": {"num_classes": 4},
    "registered_name": "zeromodels>RTDETRDetect",
}


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_archive, "find_spec", lambda name: None)

    with pytest.raises(ModelFileError, match="pip install -r requirements-zeromodels.txt"):
        check_keras_file(keras_file(tmp_path / "net.keras", DETECTOR))


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "function"},
        {"config": {"activation_function": "zeromodels>BertTokenizer"}},
        {"config": {"backbone": {"class_name": "Lambda", "config": {}}}},
        {"config": {"backbone": {"class_name": "X", "registered_name": "zeromodels>RTDETRDetect"}}},
        {"class_name": "BertTokenizer", "registered_name": "zeromodels>BertTokenizer"},
    ],
    ids=["two names", "another class", "a Lambda", "a nested detector", "no detector"],
)
def test_nothing_but_whole_detectors_of_the_package_is_accepted(tmp_path, monkeypatch, changes):
    monkeypatch.setattr(keras_archive, "find_spec", lambda name: object())
    check_keras_file(keras_file(tmp_path / "net.keras", DETECTOR))

    with pytest.raises(ModelFileError):
        check_keras_file(keras_file(tmp_path / "bad.keras", {**DETECTOR, **changes}))
