import os
import re
import shutil
from contextlib import contextmanager

import pytest

from ml_core.catalog import installed
from ml_core.catalog.catalogue import CATALOG, VISION_SMALL
from ml_core.catalog.installed import default_model, find_model, read_catalog
from ml_core.errors import ModelNotInstalled, UnknownModel
from ml_core.networks.darknet_cfg import read_config
from ml_core.tests.toy_network import install_toy_network

SHIPPED = "resnet56v2-cifar10"

HASH = "sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|md5:[0-9a-f]{32}"
# The size is that of the network, and the addresses are the publishers'.
WITHOUT_KNOWN_HASH = {"yolov7-tiny.weights"}


def install(model_dir, *names):
    for name in names:
        model_dir.joinpath(f"{name}.cfg").write_text("")
        model_dir.joinpath(f"{name}.weights").write_text("")


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.name)
def test_every_catalogued_file_is_pinned_and_has_a_secure_address(spec):
    for file in spec.files:
        assert file.size_bytes > 0
        pinned = f"sha256:{file.sha256}" if file.sha256 else file.published_hash or ""
        assert re.fullmatch(HASH, pinned) or file.name in WITHOUT_KNOWN_HASH
        assert file.urls and all(url.startswith("https://") for url in file.urls)


@pytest.mark.parametrize(
    "spec", [spec for spec in CATALOG if spec.format == "darknet"], ids=lambda spec: spec.name
)
def test_catalogued_networks_detect_the_80_classes_of_coco(spec, shared_dir):
    path = shared_dir / "models" / spec.files[0].name
    if not path.is_file():
        pytest.skip(f"no {path}")

    config = read_config(path)

    assert [layer.num_classes for layer in config.yolo_layers] == [80] * len(config.yolo_layers)
    assert len(spec.labels) == 80


def test_shipped_models_need_no_model_dir(tmp_path):
    specs = read_catalog(tmp_path / "nowhere")

    assert [spec.name for spec in specs.values() if spec.is_installed] == [SHIPPED, "vision-small"]
    assert default_model(specs, "detection", preferred="").name == "vision-small"


def test_the_error_for_a_missing_detector_names_the_install_command(no_detector, tmp_path):
    with pytest.raises(ModelNotInstalled, match="fetch_models yolov3"):
        default_model(read_catalog(tmp_path), "detection", preferred="")


def test_any_other_detector_is_preferred_to_the_trial_model(tmp_path):
    install_toy_network(tmp_path)

    assert default_model(read_catalog(tmp_path), "detection", preferred="").name == "toy"


def test_the_trial_model_matches_its_description():
    config = read_config(VISION_SMALL.paths[0])

    assert config.input_wh == VISION_SMALL.input_wh
    assert {layer.num_classes for layer in config.yolo_layers} == {len(VISION_SMALL.labels)}
    card = VISION_SMALL.paths[0].with_suffix(".md").read_text()
    assert f"**{VISION_SMALL.accuracy_percent / 100:.3f}**" in card


def test_yolov3_is_the_default_if_installed_otherwise_the_most_accurate(tmp_path):
    install(tmp_path, "yolov3-tiny", "yolo-fastest-1.1-xl")
    assert (
        default_model(read_catalog(tmp_path), "detection", preferred="").name
        == "yolo-fastest-1.1-xl"
    )

    install(tmp_path, "yolov3", "yolov3-spp")
    assert default_model(read_catalog(tmp_path), "detection", preferred="").name == "yolov3"


def test_the_other_detectors_are_in_order_of_their_accuracy():
    accuracies = [spec.accuracy_percent for spec in CATALOG[1:] if spec.metric == "mAP@0.5"]

    known = [accuracy for accuracy in accuracies if accuracy]
    assert known == sorted(known, reverse=True)


def test_the_preferred_model_wins_even_when_it_is_missing(tmp_path):
    install(tmp_path, "yolov3")

    assert default_model(read_catalog(tmp_path), "detection", "yolov3-tiny").name == "yolov3-tiny"


def test_an_unknown_preferred_model_is_a_server_error(tmp_path):
    with pytest.raises(ModelNotInstalled, match="name 'yolov9' for detection"):
        default_model(read_catalog(tmp_path), "detection", "yolov9")


def test_the_error_for_an_unknown_model_lists_those_that_can_be_used(tmp_path):
    with pytest.raises(UnknownModel, match="'yolov9'. Models of this site: vision-small.$"):
        find_model(read_catalog(tmp_path), "detection", "yolov9")


def test_a_folder_with_a_network_adds_a_model(tmp_path):
    install_toy_network(tmp_path)

    spec = read_catalog(tmp_path)["toy"]

    assert spec.is_installed
    assert spec.labels == ("tomato", "plum")
    assert spec.input_wh == (96, 96)
    assert spec.resizing == "stretch"


def test_the_classifier_of_the_project_is_always_there(tmp_path):
    spec = default_model(read_catalog(tmp_path), "classification", preferred="")

    assert spec.name == SHIPPED
    assert spec.labels[:2] == ("airplane", "automobile") and len(spec.labels) == 10
    assert 80 < spec.accuracy_percent < 100
    assert spec.paths[1].stat().st_size < 8_000_000


def test_a_folder_with_a_trained_classifier_adds_a_model(tmp_path):
    shipped = read_catalog(tmp_path)[SHIPPED]
    shutil.copytree(shipped.directory, tmp_path / "mine")

    spec = read_catalog(tmp_path)["mine"]

    assert (spec.task, spec.labels, spec.problem) == ("classification", shipped.labels, "")


def test_a_classifier_without_its_description_says_what_is_missing(tmp_path):
    tmp_path.joinpath("mine").mkdir()
    tmp_path.joinpath("mine", "net.weights.h5").write_bytes(b"")

    assert "net.json is missing" in read_catalog(tmp_path)["mine"].problem


def test_models_of_another_task_are_not_found(tmp_path):
    with pytest.raises(UnknownModel, match="no detection model 'resnet56v2-cifar10'"):
        find_model(read_catalog(tmp_path), "detection", SHIPPED)


def test_the_classes_of_a_user_model_without_names_are_numbered(tmp_path):
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy", "toy.names").unlink()

    assert read_catalog(tmp_path)["toy"].labels == ("class 0", "class 1")


@pytest.mark.parametrize("file_name", ["toy.cfg", "toy.names"])
def test_files_that_a_windows_editor_saved_with_a_byte_order_mark_are_read(tmp_path, file_name):
    install_toy_network(tmp_path)
    path = tmp_path / "toy" / file_name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    spec = read_catalog(tmp_path)["toy"]

    assert (spec.problem, spec.labels) == ("", ("tomato", "plum"))


@pytest.mark.parametrize(
    ("file_name", "content", "problem"),
    [
        ("toy.names", "only one", "toy.names holds 1 names, the network has 2 classes"),
        ("toy.cfg", "[net]\nwidth=1\nheight=1\n[gru]\n", r"\[gru\] at line 4: unknown section"),
        ("second.cfg", "", "one .cfg, one .weights"),
        ("toy.cfg", "#" * (10**7 + 1), "toy.cfg is larger than 10,000,000 bytes"),
        ("toy.names", "a" * (10**7 + 1), "toy.names is larger than 10,000,000 bytes"),
        (
            "toy.cfg",
            "[net]\nwidth=1000000\nheight=32\n[yolo]\nmask=0\nanchors=1,1\nnum=1\nclasses=2\n",
            "1000000 x 32 pixels; expected sides of 1 to 4096",
        ),
    ],
)
def test_an_invalid_user_model_has_a_problem_and_is_never_the_default(
    tmp_path, file_name, content, problem
):
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy", file_name).write_text(content)

    specs = read_catalog(tmp_path)

    assert re.search(problem, specs["toy"].problem)
    assert default_model(specs, "detection", preferred="").name == "vision-small"


def test_other_folders_are_ignored(tmp_path):
    tmp_path.joinpath("notes").mkdir()
    tmp_path.joinpath("notes", "readme.txt").write_text("")
    tmp_path.joinpath("yolov3").mkdir()

    assert set(read_catalog(tmp_path)) == {
        *(spec.name for spec in CATALOG),
        SHIPPED,
        "vision-small",
    }


CLASSIFIER_JSON = (
    '{"name": "x", "depth": %s, "mean": [0, 0, 0], "labels": ["%s"], "test_accuracy": %s}'
)
CONFIG = "[net]\nwidth=%d\nheight=32\n[yolo]\nmask=0\nanchors=1,1\nnum=1\nclasses=%d\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net.json", CLASSIFIER_JSON % ("Infinity", "a", "1")),
        ("net.json", CLASSIFIER_JSON % ("56", "a", "NaN")),
        ("net.json", CLASSIFIER_JSON % ("56", "a" * 101, "1")),
        ("net.json", "[" * 100_000),
        ("net.cfg", CONFIG % (32, -1)),
        ("net.cfg", CONFIG % (0, 1)),
    ],
    ids=range(6),
)
def test_an_invalid_user_folder_affects_only_its_own_model(tmp_path, name, text):
    folder = tmp_path / "mine"
    folder.mkdir()
    folder.joinpath(name).write_text(text)
    suffix = ".weights" if name.endswith(".cfg") else ".weights.h5"
    folder.joinpath(f"net{suffix}").write_bytes(b"")

    specs = read_catalog(tmp_path)

    assert specs["mine"].problem
    assert specs[SHIPPED].problem == ""


def test_a_folder_named_like_a_catalogued_model_is_reported(tmp_path):
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy").rename(tmp_path / "yolov3")

    specs = read_catalog(tmp_path)

    assert "rename this folder" in specs["yolov3 (yours)"].problem
    assert specs["yolov3"].family == "YOLOv3"


def test_a_folder_whose_name_is_too_long_for_results_is_reported(tmp_path):
    install_toy_network(tmp_path)
    for length in (100, 101):
        shutil.copytree(tmp_path / "toy", tmp_path / ("n" * length))

    specs = read_catalog(tmp_path)

    assert specs["n" * 100].problem == ""
    assert "101 characters; at most 100" in specs["n" * 101].problem


def test_a_folder_is_read_again_only_when_its_files_changed(tmp_path, monkeypatch):
    install_toy_network(tmp_path)
    read = []
    original = installed.read_user_detector
    monkeypatch.setattr(
        installed, "read_user_detector", lambda folder: read.append(folder) or original(folder)
    )

    first = read_catalog(tmp_path)["toy"]
    assert read_catalog(tmp_path)["toy"] is first
    tmp_path.joinpath("toy", "toy.names").write_text("pepper\nberry\n")
    changed = read_catalog(tmp_path)["toy"]
    shutil.rmtree(tmp_path / "toy")

    assert changed.labels == ("pepper", "berry")
    assert "toy" not in read_catalog(tmp_path)
    assert len(read) == 2


@pytest.mark.parametrize("step", ["scandir", "_described"])
def test_a_folder_that_is_deleted_while_the_models_are_read_is_left_out(
    tmp_path, monkeypatch, step
):
    read = getattr(installed, step)
    install_toy_network(tmp_path)
    for name in ("gone", "stays"):
        shutil.copytree(tmp_path / "toy", tmp_path / name)

    def delete_first(folder):
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        return read(folder)

    monkeypatch.setattr(installed, step, delete_first)

    specs = read_catalog(tmp_path)

    assert "gone" not in specs
    assert specs["stays"].is_usable


def test_a_file_that_is_replaced_while_the_models_are_read_leaves_the_model(tmp_path, monkeypatch):
    scan = os.scandir
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy", "new").touch()

    @contextmanager
    def with_a_file_deleted(path):
        with scan(path) as found:
            entries = [*found]
            path.joinpath("new").unlink()
            yield entries

    monkeypatch.setattr(installed, "scandir", with_a_file_deleted)

    assert read_catalog(tmp_path)["toy"].is_usable
