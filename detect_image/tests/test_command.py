"""Tests of ``manage.py detect_image`` with the toy network."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from ml_core.pictures.drawing import class_colour
from ml_core.tests.toy_network import BLUE, RED, cells_picture

pytestmark = pytest.mark.usefixtures("toy_detector")


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.joinpath("more").mkdir(parents=True)
    cells_picture({(1, 0): RED}, 960).save(pictures / "red.png")
    cells_picture({(2, 2): BLUE}, 960).save(pictures / "more" / "blue.jpg", quality=95)
    pictures.joinpath("notes.txt").write_text("no picture")
    return pictures


def run(*arguments: object, **options: object) -> str:
    output = io.StringIO()
    call_command("detect_image", *map(str, arguments), stdout=output, **options)
    return output.getvalue()


def test_it_prints_what_it_found(folder):
    text = run(folder / "red.png")

    assert "red.png  960 x 960  toy" in text
    assert "100.0%  tomato           [320, 0, 640, 320]" in text


def test_folders_are_searched_and_their_structure_is_preserved(folder, tmp_path):
    text = run(folder, "--output", tmp_path / "drawn")

    assert "tomato" in text and "plum" in text
    drawn = np.array(Image.open(tmp_path / "drawn" / "red.png"))
    assert tuple(drawn[319, 480]) == class_colour(0)
    assert tmp_path.joinpath("drawn", "more", "blue.jpg").is_file()


def test_json_is_one_line_per_picture(folder):
    lines = [json.loads(line) for line in run(folder, "--format", "json").splitlines()]

    assert [line["detections"][0]["class_name"] for line in lines] == ["plum", "tomato"]


def test_yolo_labels_are_saved_beside_the_annotated_pictures(folder, tmp_path):
    output = tmp_path / "labels"

    run(folder, "--format", "yolo", "--output", output)

    assert output.joinpath("red.txt").read_text() == "0 0.500000 0.166667 0.333333 0.333333\n"
    assert output.joinpath("more", "blue.txt").read_text().startswith("1 0.83")


def test_labels_with_scores_are_saved_without_pictures(folder, tmp_path):
    output = tmp_path / "labels"

    run(folder, "--format", "yolo-scores", "--output", output, "--no-pictures")

    files = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.*"))
    assert files == ["more/blue.txt", "red.txt"]
    assert output.joinpath("red.txt").read_text().split()[-1] == "1.0000"


def test_flip_merges_the_mirrored_detections(folder):
    plain = run(folder, "--format", "yolo")

    assert run(folder, "--format", "yolo", "--flip") == plain


def test_larger_scales_find_smaller_objects(folder):
    lines = run(folder / "red.png", "--scales", 1, 2, "--format", "yolo").splitlines()

    # At scale 2 the toy network has four times as many cells, each of which finds a tomato.
    assert "0 0.500000 0.166667 0.333333 0.333333" in lines
    assert len(lines) == 5


def test_an_unknown_model_is_reported_before_the_first_picture(folder):
    with pytest.raises(CommandError, match="no detection model 'nonsense'"):
        run(folder, "--flip", "--model", "nonsense")


@pytest.mark.parametrize("name", ["coco", "csv", "voc"])
def test_other_formats_hold_all_pictures(name, folder, tmp_path):
    text = run(folder, "--format", name, "--output", tmp_path)

    if name == "coco":
        assert tmp_path.joinpath("annotations.json").read_text() == text
        assert len(json.loads(text)["annotations"]) == 2
    elif name == "csv":
        assert tmp_path.joinpath("detections.csv").read_text() == text
        assert len(list(csv.DictReader(io.StringIO(text)))) == 2
    else:
        assert "<name>tomato</name>" in tmp_path.joinpath("red.xml").read_text()
        assert text.count("<annotation>") == 2


def test_pictures_of_the_same_name_do_not_overwrite_each_other(folder, tmp_path):
    cells_picture({(0, 0): RED}).save(folder / "more" / "red.png")

    run(folder / "red.png", folder / "more" / "red.png", "--output", tmp_path / "drawn")

    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"red.png", "red-2.png"}


def test_pictures_that_differ_in_suffix_or_case_only_do_not_overwrite_each_other(folder, tmp_path):
    for name in ("red.jpg", "RED.bmp"):
        cells_picture({(0, 0): RED}).save(folder / "more" / name)
    cells_picture({(0, 0): RED}).save(folder / "more" / "red.webp")

    text = run(folder / "more", "--format", "yolo", "--output", tmp_path / "drawn")

    written = sorted(path.name.lower() for path in (tmp_path / "drawn").iterdir())
    assert [name for name in written if "txt" in name] == [
        *("blue.txt", "red-2.txt", "red-3.txt", "red.txt")
    ]
    assert len(written) == 8
    assert text.count("\n") == 4


def test_pictures_of_the_same_name_in_several_folders_have_distinct_names(folder):
    for name in ("a", "b"):
        folder.joinpath(name).mkdir()
        cells_picture({(0, 0): RED}).save(folder / name / "red.png")

    inside = json.loads(run(folder, "--format", "coco"))
    named = json.loads(run(folder / "a", folder / "b", "--format", "coco"))

    names = [image["file_name"] for image in inside["images"]]
    assert names == ["a/red.png", "b/red.png", "more/blue.jpg", "red.png"]
    assert len({image["file_name"] for image in named["images"]}) == 2


def test_a_file_name_that_is_not_utf_8_is_written_as_valid_text(folder, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b.png"))
    folder.joinpath("red.png").rename(odd)

    for format_name in ("csv", "voc", "text"):
        assert "\udcff" not in run(odd, "--format", format_name, "--output", tmp_path / "drawn")


def test_the_original_of_another_picture_is_not_overwritten(folder):
    cells_picture({(0, 0): RED}).save(folder / "more" / "red.png")
    before = folder.joinpath("red.png").read_bytes()

    with pytest.raises(CommandError, match="would be overwritten"):
        run(folder / "more" / "red.png", folder / "red.png", "--output", folder)

    assert folder.joinpath("red.png").read_bytes() == before


def test_originals_are_never_overwritten(folder):
    before = folder.joinpath("red.png").read_bytes()

    with pytest.raises(CommandError, match="would be overwritten"):
        run(folder, "--output", folder)

    assert folder.joinpath("red.png").read_bytes() == before


def test_a_truncated_picture_is_processed_with_a_warning(folder):
    path, errors = folder / "cut.jpg", io.StringIO()
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-2])

    text = run(path, stderr=errors)

    assert "tomato" in text
    assert (
        errors.getvalue()
        == f"{path}: the file is truncated; only the part that could be read was used.\n"
    )


def test_a_broken_picture_does_not_stop_the_others(folder, capsys):
    folder.joinpath("broken.png").write_bytes(b"no picture")
    errors = io.StringIO()

    with pytest.raises(CommandError, match="2 of 4 pictures failed"):
        run(folder, folder / "gone.png", stderr=errors)

    assert "broken.png: This is not a picture" in errors.getvalue()
    assert "gone.png: No such file" in errors.getvalue()


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="No pictures"):
        run(tmp_path)


@pytest.mark.parametrize("option", ["--score-threshold", "--iou-threshold"])
@pytest.mark.parametrize("value", ["1.5", "-1", "nan", "half"])
def test_thresholds_must_lie_between_0_and_1(option, value, folder):
    with pytest.raises(CommandError):
        run(folder, f"{option}={value}")


def test_a_model_that_is_not_installed_stops_the_command(folder):
    with pytest.raises(CommandError, match="fetch_models yolov3-tiny"):
        run(folder, "--model", "yolov3-tiny")


def test_without_a_display_a_warning_is_printed(folder, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    errors = io.StringIO()

    text = run(folder / "red.png", "--show", stderr=errors)

    assert "No display" in errors.getvalue()
    assert "tomato" in text


def test_a_picture_without_a_suffix_is_saved_as_a_jpeg(folder, tmp_path):
    picture = tmp_path / "nameless"
    folder.joinpath("red.png").rename(picture)

    run(picture, "--output", tmp_path / "out")

    assert (tmp_path / "out" / "nameless.jpg").is_file()


def test_results_are_saved_even_when_no_picture_could_be_read(tmp_path):
    picture = tmp_path / "broken.png"
    picture.write_text("no picture")

    with pytest.raises(CommandError, match="1 of 1"):
        run(picture, "--output", tmp_path / "out", "--format", "coco")

    assert (tmp_path / "out" / "annotations.json").is_file()
