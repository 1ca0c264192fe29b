"""``/readyz`` reports what prevents the site from working."""

from pathlib import Path

import pytest
from django.db import OperationalError, connection

from ml_core import model_pool
from operation import readiness

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def warm(settings, monkeypatch, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.REDIS_URL = ""
    states = {"toy": "ready", "resnet56v2-cifar10": "ready"}
    monkeypatch.setattr(model_pool, "start_loading", lambda: [])
    monkeypatch.setattr(model_pool, "loaded_models", lambda: states)


def test_a_site_without_its_redis_says_so_and_stays_ready(client, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(readiness, "is_failing", lambda: True)

    response = client.get("/readyz")

    assert response.json()["checks"].pop("cache").startswith("Redis does not respond")
    assert response.json()["status"] == "ready"


def test_the_site_is_ready_when_all_checks_pass(client, settings):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"] == {"database": "ok", "media": "ok", "disk": "ok"}
    assert [*settings.MEDIA_ROOT.iterdir()] == []


def failed(response) -> list[str]:
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    return [name for name, outcome in response.json()["checks"].items() if outcome != "ok"]


def test_readyz_reports_an_unreachable_database(client, monkeypatch):
    def fail(*arguments: object) -> None:
        raise OperationalError("secret host refused")

    monkeypatch.setattr(connection, "cursor", fail)
    response = client.get("/readyz")

    assert failed(response) == ["database"]
    assert "secret" not in response.content.decode()


def test_readyz_reports_a_media_folder_that_is_not_writable(client, settings, tmp_path):
    (tmp_path / "file").write_text("no folder")
    settings.MEDIA_ROOT = tmp_path / "file"

    assert "media" in failed(client.get("/readyz"))


def test_readyz_reports_a_nearly_full_disk_until_there_is_space(client, settings):
    limits = settings.LIMITS
    settings.LIMITS = {**limits, "free_bytes": 2**62}
    full = client.get("/readyz")
    settings.LIMITS = limits

    assert failed(full) == ["disk"]
    assert client.get("/readyz").status_code == 200
