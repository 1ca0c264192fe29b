from dataclasses import replace
from pathlib import Path

import pytest

from ml_core.catalog.formats import InputFormat, ModelFileError, OutputFormat
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.model_toml import read_model_toml, write_model_toml
from ml_core.catalog.specs import ModelFile, ModelSpec

BY_HAND = """\
task = "detection"
format = "onnx"
files = ["net.onnx"]
labels = ["tomato", "plum"]

[input]
size = [96, 64]

[output]
layout = "yolox"
"""


def folder_with(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    folder.joinpath("model.toml").write_text(text, encoding="utf-8")
    folder.joinpath("net.onnx").touch()
    return folder


def test_what_is_written_is_read_again(tmp_path):
    folder = folder_with(tmp_path, "")
    spec = ModelSpec(
        name="mine",
        task="detection",
        family="onnx",
        directory=folder,
        format="onnx",
        files=(ModelFile("net.onnx"), ModelFile("variables/net.data")),
        input_wh=(96, 64),
        resizing="letterbox",
        input=InputFormat(
            axes="NCHW",
            colours="BGR",
            value_range=(-1.0, 1.0),
            mean=(0.1, 0.2, 0.3),
            std=(1.0, 2.0, 3.0),
            is_centred=False,
            pad_value=114,
        ),
        output=OutputFormat("detr", ("a", 'b"\\\n'), "sigmoid", "relative", 1, True),
        labels=("番茄", "plum"),
        accuracy_percent=52.2,
        licence='"own"\n',
        origin="https://example.org",
    )

    write_model_toml(spec, folder)

    assert read_model_toml(folder) == spec


def test_a_short_description_by_hand_is_enough(tmp_path):
    folder = folder_with(tmp_path, BY_HAND)

    spec = read_catalog(tmp_path)["mine"]

    assert spec.is_usable
    assert (spec.labels, spec.input_wh) == (("tomato", "plum"), (96, 64))
    assert spec.paths == (folder / "net.onnx",)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('"detection"', '"segmentation"', "task must be one of detection, classification"),
        ('task = "detection"', "", "task is missing"),
        ('"onnx"', '"pickle"', "format must be one of darknet, keras"),
        ('"net.onnx"', '"../net.onnx"', "no file inside the model's folder"),
        ('"net.onnx"', '"/etc/passwd"', "no file inside the model's folder"),
        ('["net.onnx"]', "[]", "files names no file"),
        ('["tomato", "plum"]', "[]", "Expected 1 to 100,000 class names, received 0"),
        ('["tomato", "plum"]', '"names.txt"', "names.txt, the file with the class names, is miss"),
        ("[96, 64]", "[96]", "size must be a list of 2 numbers"),
        ("[96, 64]", "[96, 0]", "size must be whole numbers, 1 to 4096"),
        ("[96, 64]", "[96, 64]\nstd = [1, 0, 1]", "std must not contain 0"),
        ("[96, 64]", "[96, 64]\nmean = [1, nan, 1]", "mean must be a list of 3 numbers"),
        ("[96, 64]", "[96, 64]\ncolors = 3", r"\[input\]: unknown colors"),
        ('"yolox"', '"yolo3000"', "layout must be one of boxes-yxyx"),
        ("[output]", "[output", "is not valid TOML"),
        ("labels", 'origin = "javascript:1"\nlabels', "origin must be empty or begin with https"),
    ],
)
def test_a_wrong_description_says_what_was_expected(tmp_path, before, after, problem):
    folder = folder_with(tmp_path, BY_HAND.replace(before, after))

    with pytest.raises(ModelFileError, match=problem):
        read_model_toml(folder)
    assert read_catalog(tmp_path)["mine"].problem


def test_a_label_longer_than_its_column_is_cut(tmp_path):
    folder = folder_with(tmp_path, BY_HAND.replace("plum", "p" * 200))

    assert len(read_model_toml(folder).labels[1]) == 100


def test_cocos_labels_under_darknets_names_are_cocos(tmp_path):
    folder = folder_with(tmp_path, BY_HAND.replace('["tomato", "plum"]', '"coco.names"'))
    spec = replace(read_catalog(tmp_path)["yolov3"], directory=folder)
    names = "\n".join(spec.labels).replace("airplane", "aeroplane")
    folder.joinpath("coco.names").write_text(names, encoding="utf-8")

    assert read_model_toml(folder).labels == spec.labels
