"""Visitors never see paths of the server."""

import uuid
from pathlib import Path

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as site_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from deploy_site.asgi import application
from deploy_site.tests.routes import filled, routes, socket_routes
from detect_camera.tests.test_socket import jpeg
from ml_core.tests.toy_network import install_toy_network
from web.problem_texts import without_folders

pytestmark = pytest.mark.django_db(transaction=True)

# Damaged networks, each failing for a different reason.
DAMAGED = ["cut-off", "no-network", "wrong-names", "no-description", "no-weights"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose models are all damaged; they fail to load once for all tests."""
    folder = tmp_path_factory.mktemp("data")
    models = folder / "models"
    models.mkdir()
    for name in DAMAGED[:3]:
        install_toy_network(folder)
        (folder / "toy").rename(models / name)
    cut_off = models / "cut-off" / "toy.weights"
    cut_off.write_bytes(cut_off.read_bytes()[:-4])
    (models / "no-network" / "toy.cfg").write_text("nothing\n[of]\nthe=kind\n")
    (models / "wrong-names" / "toy.names").write_text("tomato\n")
    for name in DAMAGED[3:]:
        (models / name).mkdir()
        (models / name / "net.weights.h5").write_bytes(b"damaged")
    (models / "no-weights" / "net.json").write_text("{")
    return folder


@pytest.fixture
def folders(settings, data_dir: Path) -> list[str]:
    """The server's folders, with damaged models only; the settings name one of them."""
    settings.DATA_DIR = data_dir
    settings.MODEL_DIR = data_dir / "models"
    settings.CONVERTED_DIR = data_dir / "converted"
    settings.MEDIA_ROOT = data_dir / "media"
    settings.DETECTOR = "cut-off"
    settings.CLASSIFIER = "no-weights"
    return [str(data_dir), str(site_settings.BASE_DIR)]


def assert_tells_none(folders: list[str], text: str, where: str) -> None:
    for folder in folders:
        assert folder not in text, (where, text[max(0, text.index(folder) - 200) :][:400])


def text_of(response: HttpResponse) -> str:
    content = b"".join(response) if response.streaming else response.content
    return content.decode(errors="replace")


def test_public_pages_do_not_contain_server_paths(client, folders, toy_model_dir):
    client.raise_request_exception = False
    for route, _ in routes():
        path = filled(route, pk=uuid.uuid4(), video_id=uuid.uuid4(), rendering_id=uuid.uuid4())
        for method in (client.get, client.post):
            assert_tells_none(folders, text_of(method(path)), path)


@pytest.mark.parametrize("model", ["", *DAMAGED])
@pytest.mark.parametrize("path", ["/api/classify/", "/api/detect/image/"])
def test_errors_of_damaged_models_do_not_contain_server_paths(client, folders, path, model):
    query = f"?model={model}" if model else ""

    response = client.post(path + query, {"image": SimpleUploadedFile("a.jpg", jpeg())})

    assert response.status_code in (422, 503)
    assert_tells_none(folders, text_of(response), path)


def test_pages_do_not_contain_paths_after_a_model_failed_to_load(client, folders):
    client.post("/api/detect/image/", {"image": SimpleUploadedFile("a.jpg", jpeg())})

    for path in ("/", "/readyz", "/api/models/", "/detect-image/", "/classify/"):
        assert_tells_none(folders, text_of(client.get(path)), path)


@pytest.mark.parametrize("model", ["", *DAMAGED])
async def test_socket_errors_do_not_contain_server_paths(folders, model):
    assert "ws/camera/" in socket_routes()
    path = f"/ws/camera/?model={model}" if model else "/ws/camera/"
    communicator = WebsocketCommunicator(application, path, [(b"origin", b"http://localhost")])
    assert (await communicator.connect())[0]

    message = await communicator.receive_from(60)

    assert '"error"' in message
    assert_tells_none(folders, message, path)
    await communicator.disconnect()


def test_nested_folders_are_replaced_by_their_own_settings(settings):
    settings.DATA_DIR = Path("/srv/data")
    settings.MODEL_DIR = Path("/srv/data/models")

    told = without_folders("/srv/data/models/a.cfg, /srv/data/x: /srv/data, /srv/data2, /srv/data.")

    assert told == "MODEL_DIR/a.cfg, DATA_DIR/x: DATA_DIR, /srv/data2, DATA_DIR."
