"""Tests of the terminal client against a live server."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import ExifTags, Image

from detect_image import client
from ml_core.pictures import drawing
from ml_core.pictures.resizing import letterbox_size
from ml_core.tests.toy_network import BLUE, RED, cells_picture

TOMATO = 0

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def no_screen(monkeypatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def picture_path(tmp_path: Path) -> Path:
    path = tmp_path / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    return path


def test_boxes_are_in_pixels_of_the_original_and_drawn(live_server, picture_path, tmp_path, capsys):
    call_command("detect_client", picture_path, url=live_server.url, output=tmp_path / "drawn")

    printed = capsys.readouterr().out
    with Image.open(tmp_path / "drawn" / "cells.jpg") as drawn:
        pixel = drawn.getpixel((322, 200))
    assert "100.0%  tomato           [320, 0, 640, 320]" in printed
    assert "100.0%  plum             [640, 640, 960, 960]" in printed
    assert drawn.size == (960, 960)
    distance = np.abs(np.subtract(pixel, drawing.class_colour(TOMATO)))
    assert distance.max() < 60


def test_pictures_of_the_same_name_are_saved_under_different_names(
    live_server, picture_path, tmp_path
):
    other = tmp_path / "more" / "CELLS.jpg"
    other.parent.mkdir()
    cells_picture({(0, 0): RED}, 960).save(other)

    call_command(
        "detect_client", picture_path, other, url=live_server.url, output=tmp_path / "drawn"
    )

    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["CELLS-2.jpg", "cells.jpg"]


def test_no_original_is_overwritten(live_server, tmp_path, capsys):
    paths = [tmp_path / name / "cells.jpg" for name in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        cells_picture({(1, 0): RED}, 960).save(path)
    before = paths[1].read_bytes()

    with pytest.raises(CommandError, match="in 1 pictures"):
        call_command("detect_client", *paths, url=live_server.url, output=tmp_path / "two")

    assert paths[1].read_bytes() == before
    assert "cells.jpg would be overwritten" in capsys.readouterr().err


def test_exif_orientation_is_applied_before_drawing(live_server, tmp_path, capsys):
    path = tmp_path / "side.jpg"
    turn_right = Image.Exif()
    turn_right[ExifTags.Base.Orientation] = 6
    cells_picture({(1, 0): RED}, 960).resize((960, 480)).save(path, quality=95, exif=turn_right)

    call_command("detect_client", path, url=live_server.url, output=tmp_path / "drawn")

    assert "[320, 320, 480, 640]" in capsys.readouterr().out
    with Image.open(tmp_path / "drawn" / "side.jpg") as drawn:
        assert drawn.size == (480, 960)


def test_one_bad_file_does_not_stop_the_others(live_server, picture_path, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")

    with pytest.raises(CommandError, match="1 pictures"):
        call_command(
            "detect_client", bad, picture_path, url=live_server.url, output=tmp_path / "drawn"
        )

    captured = capsys.readouterr()
    assert "bad.png" in captured.err
    assert "tomato" in captured.out


def test_the_input_picture_is_never_overwritten(live_server, tmp_path, capsys):
    path = tmp_path / "cells.jpg"
    cells_picture({(1, 0): RED}, 96).save(path)
    before = path.read_bytes()

    with pytest.raises(CommandError):
        call_command("detect_client", path, url=live_server.url, output=tmp_path)

    assert "would be overwritten" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_without_paths_the_client_prompts_until_it_is_ended(
    live_server, tmp_path, picture_path, capsys, monkeypatch
):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    typed = iter([f'"{picture_path}"', "wrong.png", str(bad), str(picture_path), "exit"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))

    call_command("detect_client", url=live_server.url, output=tmp_path / "drawn")

    printed = capsys.readouterr()
    assert "There is no file wrong.png. Try again." in printed.out
    assert "bad.png" in printed.err
    assert printed.out.count("tomato") == 2
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["cells-2.jpg", "cells.jpg"]


def test_a_picture_typed_at_the_prompt_is_never_overwritten(
    live_server, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "cells.jpg"
    cells_picture({(1, 0): RED}, 96).save(path)
    before = path.read_bytes()
    typed = iter([str(path), "exit"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))

    call_command("detect_client", url=live_server.url, output=tmp_path)

    assert path.read_bytes() == before
    assert "would be overwritten" in capsys.readouterr().err


def test_an_unreachable_server_and_an_unknown_model_are_reported(live_server, picture_path):
    with pytest.raises(CommandError, match=r"cannot be reached\. .* is the server running\?$"):
        call_command("detect_client", picture_path, url="http://127.0.0.1:9")
    with pytest.raises(CommandError, match="no detection model nothing"):
        call_command("detect_client", picture_path, url=live_server.url, model="nothing")


def test_the_client_runs_as_a_standalone_script(live_server, picture_path, tmp_path):
    script = tmp_path / "detect_client.py"
    shutil.copy(client.__file__, script)

    done = subprocess.run(
        [sys.executable, "-I", script, picture_path, "--url", live_server.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": ""},
    )

    assert done.returncode == 0, done.stderr
    assert "tomato" in done.stdout
    assert (tmp_path / "drawn" / "cells.jpg").is_file()


def test_the_client_can_be_downloaded():
    response = Client().get("/detect-image/client.py")

    assert 'filename="detect_client.py"' in response["Content-Disposition"]
    assert b"import requests" in response.content


def test_class_colours_match_the_server():
    assert all(client.class_colour(i) == drawing.class_colour(i) for i in range(80))


@pytest.mark.parametrize(
    ("resizing", "shrunk"), [("letterbox", (416, 312)), ("stretch", (554, 416))]
)
def test_pictures_are_downscaled_to_the_network_input_only(resizing, shrunk):
    model = {"input_width": 416, "input_height": 416, "resizing": resizing}

    assert client.shrunk_size((1600, 1200), model) == shrunk
    assert client.shrunk_size((100, 50), model) == (100, 50)


def test_the_downscaled_size_matches_the_servers_letterboxing():
    model = {"input_width": 416, "input_height": 416, "resizing": "letterbox"}

    for picture_wh in ((773, 512), (720, 576), (576, 720), (417, 416)):
        expected = letterbox_size(picture_wh, (416, 416))
        assert client.shrunk_size(picture_wh, model) == expected
