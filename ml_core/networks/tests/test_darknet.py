"""Our Keras networks against OpenCV's independent Darknet reader."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from ml_core.networks.darknet import build_darknet, load_weights, save_weights
from ml_core.networks.darknet_cfg import DarknetConfig, DarknetError, parse_config, read_config
from ml_core.networks.tests.random_weights import write_random_weights
from ml_core.networks.yolo import decode_heads
from ml_core.pictures.boxes import cxcywh_to_xyxy
from ml_core.tests.toy_network import CONFIG, install_toy_network

# OpenCV's yolo layer drops boxes below this score.
OPENCV_FLOOR = 0.2
YOLO = "[yolo]\nmask=0,1\nanchors=10,14,23,27\nclasses=3\nnum=2\n"
HEAD = "[convolutional]\nfilters=16\nsize=1\nstride=1\npad=1\nactivation=linear\n" + YOLO


def conv(filters: int, size: int = 3, stride: int = 1, activation: str = "leaky", more="") -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\nactivation={activation}\n{more}"
    )


# A small network with every section type, option and activation.
EVERYTHING = (
    "[net]\nwidth=64\nheight=96\nchannels=3\n"
    + conv(8, stride=2, activation="mish")
    + conv(8, activation="swish")
    + "[shortcut]\nfrom=-2\nactivation=linear\n"
    + conv(16, activation="relu", more="groups=2\n")
    + conv(16, stride=2, activation="leaky", more="groups=16\n")
    + "[dropout]\nprobability=.15\n"
    + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
    + conv(8, activation="logistic")
    + "[route]\nlayers=-1,4\n"
    + "[maxpool]\nsize=2\nstride=2\n"
    + "[maxpool]\nsize=2\nstride=1\n"
    + "[maxpool]\nsize=5\nstride=1\n"
    + "[maxpool]\nsize=3\nstride=2\n"
    + HEAD
    + "[route]\nlayers=-3\n"
    + "[convolutional]\nfilters=12\nsize=3\nstride=1\npadding=1\nactivation=mish\n"
    + "[upsample]\nstride=2\n"
    + "[route]\nlayers=-1,9\n"
    + HEAD.replace("num=2", "num=2\nscale_x_y=1.1")
)

# The blocks of Scaled-YOLOv4 and YOLOv7: pooling pyramid, wide routes, ``new_coords``.
SCALED_YOLO = (
    "[yolo]\nmask=0,1\nanchors=10,14,23,27\nclasses=3\nnum=2\njitter=.1\nscale_x_y = 2.0\n"
    "objectness_smooth=1\nignore_thresh = .7\ntruth_thresh = 1\nresize=1.5\niou_thresh=0.2\n"
    "iou_normalizer=0.05\ncls_normalizer=0.5\nobj_normalizer=1.0\niou_loss=ciou\n"
    "nms_kind=diounms\nbeta_nms=0.6\nnew_coords=1\nmax_delta=2\n"
)
SCALED_HEAD = HEAD.replace("linear", "logistic").replace(YOLO, SCALED_YOLO)
SCALED = (
    "[net]\nwidth=96\nheight=64\nchannels=3\nmosaic=1\nletter_box=1\noptimized_memory=1\n"
    + conv(8, stride=2, activation="mish")
    + conv(8, size=1, activation="mish")
    + "[route]\nlayers=-2\n"
    + conv(8, size=1, activation="swish")
    + conv(8, activation="swish")
    + "[shortcut]\nfrom=-3\nactivation=linear\n"
    + conv(8, activation="mish", more="stopbackward=800\n")
    + "[route]\nlayers = -1,-3,-4,-6\n"
    + conv(8, size=1)
    + "[maxpool]\nstride=1\nsize=5\n"
    + "[route]\nlayers=-2\n"
    + "[maxpool]\nstride=1\nsize=9\n"
    + "[route]\nlayers=-4\n"
    + "[maxpool]\nstride=1\nsize=13\n"
    + "[route]\nlayers=-1,-3,-5,-6\n"
    + conv(16, size=1)
    + SCALED_HEAD
    + "[route]\nlayers = -3\n"
    + "[maxpool]\nsize=2\nstride=2\n"
    + conv(8, size=1, activation="swish")
    + "[route]\nlayers=-3\n"
    + conv(8, stride=2, activation="swish")
    + "[route]\nlayers = -1,-3\n"
    + SCALED_HEAD
)


def opencv_heads(
    config: DarknetConfig, config_path: Path, weights_path: Path, image: np.ndarray
) -> list[np.ndarray]:
    """Raw feature maps (1, h, w, channels) before each [yolo] section, by OpenCV's reader."""
    network = cv2.dnn.readNetFromDarknet(str(config_path), str(weights_path))
    height, width = image.shape[:2]
    network.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (width, height)))
    heads = [section for section in config.sections if section.kind == "yolo"]
    names = [
        f"logistic_{head.index}" if head.integer("new_coords", 0) else f"conv_{head.index - 1}"
        for head in heads
    ]
    return [head.transpose(0, 2, 3, 1) for head in network.forward(names)]


def assert_same_heads(config_path: Path, weights_path: Path, image: np.ndarray) -> None:
    config = read_config(config_path)
    height, width = image.shape[:2]
    model = build_darknet(config, (width, height))
    load_weights(model, weights_path)

    heads = [np.asarray(head) for head in model(image[None], training=False)]

    expected = opencv_heads(config, config_path, weights_path, image)
    assert [head.shape for head in heads] == [head.shape for head in expected]
    for ours, theirs in zip(heads, expected, strict=True):
        assert np.abs(theirs).max() > 0.1
        assert np.abs(ours - theirs).max() < 1e-3


def random_image(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("text", [EVERYTHING, SCALED], ids=["everything", "scaled"])
def test_every_section_type_and_activation_agrees_with_opencv(text, tmp_path):
    config_path, weights_path = tmp_path / "all.cfg", tmp_path / "all.weights"
    config_path.write_text(text)
    config = read_config(config_path)
    write_random_weights(config, weights_path, config.input_wh)

    assert_same_heads(config_path, weights_path, random_image(*config.input_wh))


@pytest.mark.parametrize("text", [EVERYTHING, SCALED], ids=["everything", "scaled"])
def test_decoded_boxes_agree_with_opencv(text, tmp_path):
    config_path, weights_path = tmp_path / "all.cfg", tmp_path / "all.weights"
    config_path.write_text(text)
    config = read_config(config_path)
    write_random_weights(config, weights_path, config.input_wh)
    image = random_image(*config.input_wh)
    model = build_darknet(config)
    load_weights(model, weights_path)

    heads = [np.asarray(head)[0] for head in model(image[None], training=False)]
    found = decode_heads(heads, config.yolo_layers, config.input_wh, score_floor=OPENCV_FLOOR)

    network = cv2.dnn.readNetFromDarknet(str(config_path), str(weights_path))
    network.setInput(cv2.dnn.blobFromImage(image, 1 / 255, config.input_wh))
    rows = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))
    row_ids, class_ids = np.nonzero(rows[:, 5:] >= OPENCV_FLOOR)
    assert len(class_ids) > 100
    assert found.class_ids.tolist() == class_ids.tolist()
    np.testing.assert_allclose(found.scores, rows[row_ids, 5 + class_ids], atol=1e-3)
    np.testing.assert_allclose(
        found.boxes_rel_xyxy, cxcywh_to_xyxy(rows[row_ids, :4]), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", ["yolo-fastest-1.1", "yolo-fastest-1.1-xl"])
def test_trained_networks_agree_with_opencv(name, shared_dir):
    picture = cv2.resize(cv2.imread(str(shared_dir / "samples" / "dog.jpg")), (320, 320))
    models = shared_dir / "models"

    image = np.ascontiguousarray(picture[:, :, ::-1])
    assert_same_heads(models / f"{name}.cfg", models / f"{name}.weights", image)


def test_yolov3_tiny_agrees_with_opencv(yolov3_tiny, shared_dir):
    picture = cv2.resize(cv2.imread(str(shared_dir / "samples" / "dog.jpg")), (416, 416))

    assert_same_heads(*yolov3_tiny.paths, np.ascontiguousarray(picture[:, :, ::-1]))


# yolov3-spp is yolov3 with one block more.
@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov3-spp"])
def test_large_networks_with_random_weights_agree_with_opencv(name, shared_dir, tmp_path):
    config_path, weights_path = shared_dir / "models" / f"{name}.cfg", tmp_path / f"{name}.weights"
    write_random_weights(read_config(config_path), weights_path, (320, 256))

    assert_same_heads(config_path, weights_path, random_image(320, 256))


@pytest.mark.parametrize("channels", [(4, 8), (8, 4), (8, 8)])
def test_shortcuts_of_unequal_channels_agree_with_opencv(channels, tmp_path):
    config_path, weights_path = tmp_path / "unequal.cfg", tmp_path / "unequal.weights"
    first, last = channels
    config_path.write_text(
        "[net]\nwidth=64\nheight=64\nchannels=3\n"
        + conv(first)
        + conv(last)
        + "[shortcut]\nfrom=-2\nactivation=leaky\n"
        + HEAD
        + "[route]\nlayers=-3\n"
        + HEAD
    )
    config = read_config(config_path)
    write_random_weights(config, weights_path, config.input_wh)

    assert_same_heads(config_path, weights_path, random_image(*config.input_wh))


def test_layers_are_named_after_their_sections():
    names = {layer.name for layer in build_darknet(parse_config(EVERYTHING)).layers}

    assert {"convolutional_0", "convolutional_0_batch_norm", "convolutional_0_mish"} <= names
    assert {"shortcut_2", "route_8", "maxpool_9", "upsample_17", "yolo_20"} <= names


def test_saved_weights_load_again(tmp_path):
    path = tmp_path / "weights"
    config = parse_config(EVERYTHING)
    write_random_weights(config, path, config.input_wh)
    model = build_darknet(config)

    load_weights(model, path)
    save_weights(model, tmp_path / "again")

    assert path.read_bytes() == tmp_path.joinpath("again").read_bytes()


@pytest.fixture
def toy(tmp_path) -> tuple[keras.Model, Path]:
    install_toy_network(tmp_path)
    return build_darknet(parse_config(CONFIG)), tmp_path / "toy" / "toy.weights"


def test_the_32_bit_header_of_old_versions_is_read_too(toy):
    model, path = toy
    load_weights(model, path)
    expected = model.get_weights()
    body = path.read_bytes()[20:]
    path.write_bytes(np.array([0, 1, 0, 0], np.int32).tobytes() + body)

    load_weights(model, path)

    for weights, again in zip(expected, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-4], "ends within convolutional_0: expected at least 21511 numbers"),
        (lambda data: data + bytes(8), "holds 2 numbers more than the network's 21511"),
        (lambda data: data[:-2], "not a whole number of floats"),
        (lambda data: data[:8], "too short"),
        (lambda data: b"", "too short"),
    ],
)
def test_weights_of_another_count_are_refused(toy, change, message):
    model, path = toy
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(DarknetError, match=message):
        load_weights(model, path)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ("[shortcut]\nfrom=-5\n" + HEAD, "\\[shortcut\\] at line 4: there is no earlier section"),
        (
            conv(4) + conv(8, stride=2) + "[shortcut]\nfrom=-2\n" + HEAD,
            "cannot add 64 x 64 with 4 channels to 32 x 32 with 8 channels",
        ),
        (conv(6, more="groups=4\n") + HEAD, "groups=4 must divide"),
        (conv(8) + conv(8, stride=2) + "[route]\nlayers=-1,-2\n" + HEAD, "line 18: cannot join"),
        (conv(8) + "[route]\nlayers=-1\ngroups=2\ngroup_id=2\n" + HEAD, "group_id=2 must be"),
        (conv(8) + "[route]\nlayers=-1\ngroups=3\n" + HEAD, "groups=3 must divide 8 channels"),
        (conv(9, activation="linear") + YOLO, "expected 16 channels .* received 9"),
    ],
)
def test_the_error_names_sections_that_do_not_fit_together(sections, message):
    config = parse_config("[net]\nwidth=64\nheight=64\n" + sections)

    with pytest.raises(DarknetError, match=message):
        build_darknet(config)


NUMBERS = {
    "convolutional": ["filters", "size", "stride", "groups", "padding", "batch_normalize"],
    "shortcut": ["from"],
    "route": ["layers", "groups", "group_id"],
    "upsample": ["stride"],
    "maxpool": ["size", "stride", "padding"],
}


@pytest.mark.parametrize("kind", NUMBERS)
# TensorFlow waits ten seconds for memory that is lacking, but not for what no computer has.
@pytest.mark.parametrize("value", ["-3", "-1", "0", "70", "4000000000000000000"])
def test_an_invalid_number_is_refused_with_its_darknet_option(kind, value):
    usual = {"filters": "4", "size": "3", "stride": "1", "from": "-1", "layers": "-1"}
    for option in NUMBERS[kind]:
        options = {name: usual[name] for name in NUMBERS[kind] if name in usual} | {option: value}
        lines = "".join(f"{name}={number}\n" for name, number in options.items())
        text = "[net]\nwidth=64\nheight=64\n" + conv(8) + f"[{kind}]\n" + lines + HEAD

        try:
            build_darknet(parse_config(text))
        except DarknetError as exc:
            assert f"[{kind}] at line 11: " in str(exc) or "[convolutional] at line" in str(exc)
            assert "layer" not in str(exc).replace("layers", "") and "None" not in str(exc)
