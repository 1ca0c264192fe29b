"""The models page, and the changes that only the staff can make."""

import shutil
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.tokens import create_token
from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.catalog.installed import read_catalog
from ml_core.models import ModelChoice
from ml_core.tests.toy_network import install_toy_network
from model_library.models import ModelJob

JOB = "/api/model-jobs/8d2fbb4e-2a5c-4b3e-9d3e-0d2b6d6f0c11/"

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def two_detectors(toy_detector, settings, tmp_path) -> Path:
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    shutil.copytree(tmp_path / "toy", tmp_path / "second")
    return tmp_path


def change(client: Client, model: str = "toy", **values: bool) -> dict:
    """Change a model; returns the answer."""
    response = client.patch(f"/api/models/{model}/", values, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


def page_of(client: Client) -> str:
    return client.get("/models/").content.decode()


def shown(client: Client, model: str = "toy") -> str:
    return card_of(page_of(client), model)


def card_of(page: str, name: str) -> str:
    return page.partition(f'id="model-{name}"')[2].partition('class="card model-card"')[0]


def test_everybody_sees_a_card_per_model(client):
    page = client.get("/models/").content.decode()

    card = card_of(page, "toy")
    assert "96 × 96" in card and "tomato, plum" in card
    assert "/detect-image/?model=toy" in card
    assert "default" in card_of(page, "second")
    assert "<form" not in card


def test_a_models_name_is_no_id_of_the_page_itself(client, two_detectors):
    two_detectors.joinpath("toy").rename(two_detectors / "library")

    page = page_of(client)

    assert page.count('id="library"') == 1
    assert "96 × 96" in card_of(page, "library")


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


# Addresses of changes: the method and the path.
CHANGES = [
    ("patch", "/api/models/toy/"),
    ("delete", "/api/models/toy/"),
    ("post", "/api/models/toy/speed/"),
    ("put", "/api/models/toy/description/"),
    ("get", "/api/models/toy/description/"),
    ("post", "/api/models/yolov3-tiny/install/"),
    ("get", "/api/model-jobs/"),
    ("post", "/api/model-jobs/"),
    ("get", JOB),
    ("delete", JOB),
    ("patch", f"{JOB}files/0/"),
    ("head", f"{JOB}files/0/"),
    ("post", f"{JOB}start/"),
    ("post", f"{JOB}add/"),
    ("get", f"{JOB}sample.jpg"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("who", ["anonymous", "signed in", "former staff"])
def test_only_the_staff_can_change_models(client, tmp_path, method, path, who):
    if who != "anonymous":
        user = User.objects.create_user("somebody", is_staff=who == "former staff")
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=who != "former staff")

    response = getattr(client, method)(path, content_type="application/json")

    assert response.status_code == (403 if who == "signed in" else 401)
    assert not ModelChoice.objects.exists()
    assert read_catalog(tmp_path)["toy"].is_usable


def test_the_page_shows_the_staff_what_others_do_not_see(client, admin_client):
    assert "data-url" in shown(admin_client) and "Add a model" in page_of(admin_client)
    assert "data-url" not in page_of(client) and "Add a model" not in page_of(client)


def test_a_token_of_the_staff_changes_models(admin_user):
    text = create_token(admin_user, "program")[1]
    program = Client(headers={"authorization": f"Bearer {text}"})

    assert change(program, is_enabled=False)["is_enabled"] is False


def test_a_change_needs_the_csrf_token(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    response = client.delete("/api/models/toy/")

    assert response.status_code == 403
    assert selection.models()["toy"].is_usable


def test_unknown_models_are_not_found_and_unknown_values_refused(admin_client):
    assert admin_client.delete("/api/models/nothing/").status_code == 404
    refused = admin_client.patch(
        "/api/models/toy/", {"is_default": False}, content_type="application/json"
    )
    assert refused.status_code == 422
    assert "Expected true" in refused.json()["detail"]


def test_the_default_is_chosen_without_a_restart(admin_client):
    assert selection.default_model("detection").name == "second"

    change(admin_client, is_default=True)

    assert selection.default_model("detection").name == "toy"
    change(admin_client, "second", is_default=True)
    assert selection.default_model("detection").name == "second"
    assert ModelChoice.objects.filter(is_default=True).count() == 1


def test_the_settings_go_before_a_choice_and_the_page_says_so(admin_client, settings):
    settings.DETECTOR = "second"

    refused = admin_client.patch(
        "/api/models/toy/", {"is_default": True}, content_type="application/json"
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "model_set_by_operator")
    assert "name the default second" in page_of(admin_client)
    assert selection.default_model("detection").name == "second"


def test_only_what_is_not_the_default_can_be_made_the_default(admin_client):
    offered = '"is_default": true'
    assert offered not in shown(admin_client, "second").replace("&quot;", '"')
    assert offered in shown(admin_client, "toy").replace("&quot;", '"')


def test_a_disabled_model_is_not_offered_until_it_is_enabled_again(admin_client, client):
    change(admin_client, is_enabled=False)

    assert "disabled" in shown(client)
    assert "toy" not in [spec.name for spec in selection.usable_models("detection")]
    assert client.get("/api/models/").status_code == 200
    change(admin_client, is_enabled=True)
    assert selection.find("detection", "toy").name == "toy"


@pytest.mark.parametrize("method", ["disable", "delete"])
def test_the_chosen_default_is_neither_disabled_nor_deleted(admin_client, tmp_path, method):
    change(admin_client, is_default=True)

    if method == "delete":
        refused = admin_client.delete("/api/models/toy/")
    else:
        refused = admin_client.patch(
            "/api/models/toy/", {"is_enabled": False}, content_type="application/json"
        )

    assert (refused.status_code, refused.json()["code"]) == (409, "model_is_default")
    assert selection.default_model("detection").name == "toy"
    assert tmp_path.joinpath("toy", "toy.weights").is_file()


def test_a_preloaded_model_is_loaded_at_once(admin_client):
    model_pool._loads.clear()

    change(admin_client, is_preloaded=True)

    assert "loaded at start" in shown(admin_client)
    assert "toy" in model_pool.loaded_models()
    change(admin_client, is_preloaded=False)
    assert not ModelChoice.objects.get().is_preloaded


def test_the_measured_speed_is_shown_to_everybody(admin_client, client):
    measured = admin_client.post("/api/models/toy/speed/").json()

    assert measured["inference_ms"] > 0
    assert ModelChoice.objects.get().measured_at
    assert f"{measured['inference_ms']} ms" in shown(client)


def test_a_classifier_is_measured_as_well(admin_client):
    admin_client.post("/api/models/resnet56v2-cifar10/speed/")

    assert ModelChoice.objects.get().inference_ms > 0


def test_measuring_a_model_that_is_loading_does_not_wait(admin_client, loading_detector):
    with loading_detector:
        response = admin_client.post("/api/models/toy/speed/")

        assert (response.status_code, response.json()["code"]) == (503, "model_loading")
        assert response["Retry-After"]


def test_a_deleted_model_is_closed_and_gone(admin_client, tmp_path):
    model_pool.wait_until_loaded("detection", "toy")

    response = admin_client.delete("/api/models/toy/")

    assert response.status_code == 204
    assert 'id="model-toy"' not in page_of(admin_client)
    assert "toy" not in model_pool.loaded_models()
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_files_that_models_of_the_catalogue_share_are_deleted_together(admin_client, tmp_path):
    for name in ("yolov3.cfg", "yolov3.weights"):
        tmp_path.joinpath(name).write_text("")
    assert "These models use the same files: yolov3-608, yolov3-320." in shown(
        admin_client, "yolov3"
    )
    change(admin_client, "second", is_default=True)

    admin_client.delete("/api/models/yolov3/")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["second", "toy"]


@pytest.mark.parametrize("model", ["vision-small", "resnet56v2-cifar10"])
def test_shipped_models_cannot_be_deleted(admin_client, model):
    refused = admin_client.delete(f"/api/models/{model}/")

    assert refused.json()["code"] == "model_is_shipped"
    assert selection.models()[model].is_installed
    assert 'data-method="DELETE"' not in shown(admin_client, model)


@pytest.mark.parametrize("model", ["toy", "resnet56v2-cifar10"])
def test_every_usable_model_has_a_link_that_tries_it(client, model):
    page = "classify" if "resnet" in model else "detect-image"

    assert f'href="/{page}/?model={model}"' in shown(client, model)


@pytest.mark.parametrize("row", [ModelChoice(name="toy"), ModelJob(kind="add", state="failed")])
def test_the_admin_shows_choices_and_jobs_read_only(admin_client, row):
    row.pk = None if isinstance(row, ModelChoice) else row.pk
    row.save(force_insert=True)
    table = f"/admin/{row._meta.app_label}/{row._meta.model_name}/"

    page = admin_client.get(f"{table}{row.pk}/change/")

    assert page.status_code == 200 and 'name="_save"' not in page.content.decode()
    assert admin_client.post(f"{table}{row.pk}/change/", {"name": "other"}).status_code == 403
    assert admin_client.get(table).status_code == 200
