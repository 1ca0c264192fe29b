import pytest

from ml_core.networks.darknet_cfg import DarknetError, parse_config
from ml_core.tests.toy_network import CONFIG

NET = "[net]\nwidth=64\nheight=32\n"
YOLO = "[yolo]\nmask=0\nanchors=10,14\nclasses=2\nnum=1\n"


def test_sections_and_input_size_are_read():
    config = parse_config(CONFIG)

    assert config.input_wh == (96, 96)
    assert [section.name for section in config.sections] == ["convolutional_0", "yolo_1"]


def test_comments_spaces_and_trailing_commas_are_accepted():
    config = parse_config(
        NET + "# comment\n[yolo] ; another\nmask = 1,2,\nanchors = 1,2, 3,4, 5,6\nclasses=2\nnum=3"
    )

    assert config.yolo_layers[0].anchors_wh.tolist() == [[3, 4], [5, 6]]


def test_the_masks_of_heads_can_be_replaced():
    head = "[yolo]\nmask=0\nanchors=1,2, 3,4, 5,6\nclasses=2\nnum=3\n"
    config = parse_config(NET + head + head)

    anchors = [layer.anchors_wh.tolist() for layer in config.with_masks([(2,), (1,)]).yolo_layers]

    assert anchors == [[[5, 6]], [[3, 4]]]
    assert config.with_masks(()) == config


def test_the_letter_box_option_of_the_fork_is_read():
    assert parse_config(NET + "letter_box=1\n" + YOLO).letter_box
    assert not parse_config(NET + YOLO).letter_box


def test_options_used_only_in_training_are_ignored():
    ignored = (
        "objectness_smooth=1\niou_loss=ciou\niou_thresh_kind=giou\ncls_normalizer=0.5\n"
        "delta_normalizer=1\nnms_kind=diounms\nembedding_layer=3\nstopbackward=800\n"
        "onlyforward=1\nlearning_rate=0.1\nnew_coords=0\n"
    )

    assert len(parse_config(NET + YOLO + ignored).yolo_layers) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a \\[net\\] section"),
        (YOLO, "must begin with a \\[net\\] section"),
        ("width=3", "line 1: expected \\[section\\]"),
        (NET + "nonsense\n" + YOLO, "line 4: expected \\[section\\] or key=value"),
        (NET, "no \\[yolo\\] section"),
        ("[net]\nwidth=64\n" + YOLO, "\\[net\\] at line 1: option 'height' is missing"),
        ("[net]\nwidth=x\nheight=1\n" + YOLO, "width must be whole numbers, received 'x'"),
        ("[net]\nchannels=1\n" + YOLO, "channels must be 3"),
        (NET + "[gru]\n" + YOLO, "\\[gru\\] at line 4: unknown section type"),
        (NET + "[shortcut]\nactivation=selu\n" + YOLO, "line 4: unknown activation 'selu'"),
        (
            NET + "[convolutional]\nactivation=linear\n" + YOLO + "new_coords=1\n",
            "\\[yolo\\] at line 6: new_coords=1 expects activation=logistic .* received linear",
        ),
        (NET + YOLO + "new_coords=x\n", "\\[yolo\\] at line 4: new_coords must be whole numbers"),
        (NET + YOLO + "dilation=2\n", "option dilation=2 is not supported"),
        (
            NET + "[shortcut]\nfrom=-1\nweights_type=per_channel\n" + YOLO,
            "weights_type=per_channel",
        ),
        (NET + YOLO.replace("mask=0", "mask=1"), "line 4: expected 2 numbers in anchors"),
        (NET + YOLO.replace("num=1", "num=3"), "line 4: expected 6 numbers in anchors"),
        (NET + YOLO.replace("classes=2", "classes=2,3"), "classes must be one number"),
    ],
)
def test_errors_name_section_and_line(text, message):
    with pytest.raises(DarknetError, match=message):
        parse_config(text).yolo_layers  # noqa: B018
