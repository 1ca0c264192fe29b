"""The models page, and the changes that only the staff can make."""

import shutil
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.catalog.installed import read_catalog
from ml_core.models import ModelChoice
from ml_core.tests.toy_network import install_toy_network
from model_library.pages import CHANGES

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def two_detectors(toy_detector, settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    shutil.copytree(tmp_path / "toy", tmp_path / "second")
    return tmp_path


def change(client: Client, name: str, model: str = "toy") -> str:
    """The page after a change."""
    response = client.post("/models/change/", {"model": model, "change": name}, follow=True)
    assert response.redirect_chain[0][0] == f"/models/#{model}"
    return response.content.decode()


def card_of(page: str, name: str) -> str:
    return page.partition(f'id="{name}"')[2].partition('class="card model-card"')[0]


def test_everybody_sees_a_card_per_model(client):
    page = client.get("/models/").content.decode()

    card = card_of(page, "toy")
    assert "96 × 96" in card and "tomato, plum" in card
    assert "/detect-image/?model=toy" in card
    assert "default" in card_of(page, "second")
    assert "<form" not in card


def test_the_link_of_a_card_selects_its_model_on_the_picture_page(client):
    page = client.get("/detect-image/?model=toy").content.decode()

    assert "<option selected>toy</option>" in page
    assert "<option>second</option>" in page


def test_class_names_and_texts_are_translated(client):
    page = client.get("/models/", headers={"accept-language": "zh-CN"}).content.decode()

    assert "狗" in card_of(page, "vision-small")
    assert "检测" in card_of(page, "toy")


def test_the_reason_why_a_model_cannot_be_used_is_shown_without_folders(client, tmp_path):
    tmp_path.joinpath("toy", "toy.names").write_text("one")

    card = card_of(client.get("/models/").content.decode(), "toy")

    assert "holds 1 names" in card and str(tmp_path) not in card
    assert "?model=toy" not in card


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("who", ["anonymous", "signed in", "former staff"])
def test_only_the_staff_can_change_models(client, tmp_path, name, who):
    if who != "anonymous":
        user = User.objects.create_user("somebody", is_staff=who == "former staff")
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=who != "former staff")

    response = client.post("/models/change/", {"model": "toy", "change": name})

    assert response.status_code == 403
    assert not ModelChoice.objects.exists()
    assert read_catalog(tmp_path)["toy"].is_usable


def test_a_change_needs_the_csrf_token(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    response = client.post("/models/change/", {"model": "toy", "change": "delete"})

    assert response.status_code == 403
    assert client.get("/models/change/").status_code == 405


@pytest.mark.parametrize(("model", "name"), [("nothing", "delete"), ("toy", "explode"), ("", "")])
def test_unknown_models_and_changes_are_not_found(admin_client, model, name):
    response = admin_client.post("/models/change/", {"model": model, "change": name})

    assert response.status_code == 404


def test_the_default_is_chosen_without_a_restart(admin_client):
    assert selection.default_model("detection").name == "second"

    page = change(admin_client, "set-default")

    assert "toy is the default model now." in page
    assert selection.default_model("detection").name == "toy"
    change(admin_client, "set-default", "second")
    assert selection.default_model("detection").name == "second"
    assert ModelChoice.objects.filter(is_default=True).count() == 1


def test_the_settings_go_before_a_choice_and_the_page_says_so(admin_client, settings):
    settings.DETECTOR = "second"

    page = change(admin_client, "set-default")

    assert "The default model is set in the site&#x27;s settings" in page
    assert "name the default second" in page
    assert selection.default_model("detection").name == "second"


def test_a_disabled_model_is_not_offered_until_it_is_enabled_again(admin_client, client):
    page = change(admin_client, "disable")

    assert "disabled" in card_of(page, "toy")
    assert "toy" not in [spec.name for spec in selection.usable_models("detection")]
    assert client.get("/api/models/").status_code == 200
    change(admin_client, "enable")
    assert selection.find("detection", "toy").name == "toy"


@pytest.mark.parametrize("name", ["disable", "delete"])
def test_the_chosen_default_is_neither_disabled_nor_deleted(admin_client, tmp_path, name):
    change(admin_client, "set-default")

    page = change(admin_client, name)

    assert "This model is the default." in page
    assert selection.default_model("detection").name == "toy"
    assert tmp_path.joinpath("toy", "toy.weights").is_file()


def test_a_preloaded_model_is_loaded_at_once(admin_client):
    model_pool._loads.clear()

    page = change(admin_client, "preload")

    assert "loaded at start" in card_of(page, "toy")
    assert "toy" in model_pool.loaded_models()
    change(admin_client, "load-on-request")
    assert not ModelChoice.objects.get().is_preloaded


def test_the_measured_speed_is_shown_to_everybody(admin_client, client):
    change(admin_client, "measure")

    measured = ModelChoice.objects.get()
    assert measured.inference_ms > 0 and measured.measured_at
    assert f"{measured.inference_ms} ms" in card_of(client.get("/models/").content.decode(), "toy")


def test_a_classifier_is_measured_as_well(admin_client):
    change(admin_client, "measure", "resnet56v2-cifar10")

    assert ModelChoice.objects.get().inference_ms > 0


def test_a_deleted_model_is_closed_and_gone(admin_client, tmp_path):
    model_pool.wait_until_loaded("detection", "toy")

    page = change(admin_client, "delete")

    assert "toy was deleted." in page and 'id="toy"' not in page
    assert "toy" not in model_pool.loaded_models()
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_files_that_models_of_the_catalogue_share_are_deleted_together(admin_client, tmp_path):
    for name in ("yolov3.cfg", "yolov3.weights"):
        tmp_path.joinpath(name).write_text("")
    before = admin_client.get("/models/").content.decode()
    assert "These models use the same files: yolov3-608, yolov3-320." in card_of(before, "yolov3")
    change(admin_client, "set-default", "second")

    change(admin_client, "delete", "yolov3")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["second", "toy"]


@pytest.mark.parametrize("model", ["vision-small", "resnet56v2-cifar10"])
def test_shipped_models_cannot_be_deleted(admin_client, model):
    page = change(admin_client, "delete", model)

    assert "is part of the site and cannot be deleted." in page
    assert selection.models()[model].is_installed
    assert 'value="delete"' not in card_of(page, model)


def test_the_admin_shows_the_choices_read_only(admin_client):
    row = ModelChoice.objects.create(name="toy", is_default=True)
    url = f"/admin/ml_core/modelchoice/{row.pk}/change/"

    page = admin_client.get(url)

    assert page.status_code == 200 and 'name="_save"' not in page.content.decode()
    assert admin_client.post(url, {"name": "other"}).status_code == 403
    assert admin_client.get("/admin/ml_core/modelchoice/").status_code == 200
