"""The example of the home page."""

import time

import numpy as np
import pytest

from deploy_site import example
from ml_core import engine
from ml_core.errors import Busy
from ml_core.tests.toy_network import install_toy_network

URL = "/api/example/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_former_example():
    example._results.clear()


@pytest.fixture
def detections(monkeypatch) -> list[str]:
    """The models of all calls of ``detect``."""
    models: list[str] = []
    detect = engine.detect

    def noted(image, **options):
        models.append(options["model"])
        return detect(image, **options)

    monkeypatch.setattr(engine, "detect", noted)
    return models


def answer_when_ready(client):
    deadline = time.monotonic() + 300
    while (answer := client.get(URL)).status_code == 503 and time.monotonic() < deadline:
        assert answer.json()["code"] == "model_loading"
        assert int(answer["Retry-After"]) > 0
        time.sleep(0.05)
    return answer


def test_the_example_is_computed_once_for_all_visitors(client, toy_detector, detections):
    answers = [answer_when_ready(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert detections == ["toy"]
    found = answers[0].json()
    assert found["model"] == "toy"
    assert found["original_url"] == "/static/samples/street.jpg"
    assert found["image"] == {"width": 1280, "height": 853}


def test_the_first_visitor_of_a_site_whose_model_is_loaded_waits_for_the_example(
    client, toy_detector
):
    engine.detect(np.zeros((96, 96, 3), np.uint8))

    assert client.get(URL).status_code == 200


def test_another_default_detector_computes_its_own_example(
    client, toy_detector, settings, tmp_path, detections
):
    answer_when_ready(client)

    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy").rename(tmp_path / "fruit")

    assert answer_when_ready(client).json()["model"] == "fruit"
    assert detections == ["toy", "fruit"]


def test_a_failed_example_is_computed_again(client, toy_detector, monkeypatch):
    def fail(image, **options):
        raise Busy("The queue is full.")

    with monkeypatch.context() as busy:
        busy.setattr(engine, "detect", fail)
        while (first := client.get(URL)).json()["code"] == "model_loading":
            time.sleep(0.05)

    assert first.status_code == 429
    assert answer_when_ready(client).status_code == 200


def test_a_site_without_a_detector_has_no_example(client, no_detector):
    answer = client.get(URL)

    assert (answer.status_code, answer.json()["code"]) == (503, "model_not_installed")
    page = client.get("/").content.decode()
    assert "data-result-url" not in page
