"""What the staff chose for the models decides which the site uses, without a restart."""

import shutil
import threading

import numpy as np
import pytest
from django.db import OperationalError

from ml_core import choices, model_pool
from ml_core.broker import BrokerClosed
from ml_core.catalog import selection
from ml_core.errors import UnknownModel
from ml_core.models import ModelChoice
from ml_core.tests.toy_network import install_toy_network

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def three_detectors(settings, tmp_path) -> None:
    settings.MODEL_DIR, settings.DETECTOR = tmp_path, ""
    install_toy_network(tmp_path)
    for name in ("second", "third"):
        shutil.copytree(tmp_path / "toy", tmp_path / name)


def choose(name: str, **values: bool) -> None:
    ModelChoice.objects.update_or_create(name=name, defaults=values)
    choices.forget()


def test_the_chosen_default_goes_before_the_best_installed_one():
    assert selection.default_model("detection").name == "second"

    choose("toy", is_default=True)

    assert selection.default_model("detection").name == "toy"
    assert selection.find("detection", "").name == "toy"
    assert selection.default_model("classification").name == "resnet56v2-cifar10"


def test_the_settings_go_before_the_chosen_default(settings):
    choose("toy", is_default=True)

    settings.DETECTOR = "third"

    assert selection.default_model("detection").name == "third"


def test_a_chosen_default_whose_files_are_gone_is_ignored(tmp_path):
    choose("toy", is_default=True)

    shutil.rmtree(tmp_path / "toy")

    assert selection.default_model("detection").name == "second"


@pytest.mark.parametrize("change", ["disabled", "deleted"])
def test_what_another_process_disables_or_deletes_is_closed_at_the_next_reading(
    toy_detector, tmp_path, settings, change
):
    settings.MODEL_DIR = tmp_path
    broker = model_pool.broker(selection.find("detection", "third"))
    assert selection.default_model("detection").name == "second"
    assert "third" in model_pool.loaded_models()

    # As another process does it: in the database, or on the disk.
    if change == "disabled":
        choose("third", is_enabled=False)
    else:
        shutil.rmtree(tmp_path / "third")
    selection.default_model("detection")

    assert "third" not in model_pool.loaded_models()
    with pytest.raises(BrokerClosed):
        broker.submit(np.zeros((96, 96, 3), np.uint8), queue_key="", timeout_s=1)


def test_a_disabled_model_is_neither_listed_nor_found_nor_a_default():
    choose("second", is_enabled=False)

    assert [spec.name for spec in selection.usable_models("detection")][-2:] == ["third", "toy"]
    assert selection.default_model("detection").name == "third"
    with pytest.raises(UnknownModel, match="no detection model 'second'"):
        selection.find("detection", "second")
    assert "second" in selection.models()


def test_a_model_named_in_the_settings_cannot_be_disabled(settings):
    settings.DETECTOR = "third"

    choose("third", is_enabled=False)

    assert selection.find("detection", "third").name == "third"


def test_preloaded_models_are_loaded_with_the_defaults(monkeypatch):
    loaded = []
    monkeypatch.setattr(model_pool, "_broker_future", lambda spec: loaded.append(spec.name))
    choose("third", is_preloaded=True)
    choose("toy", is_preloaded=True, is_enabled=False)

    assert model_pool.start_loading() == []

    assert loaded == ["resnet56v2-cifar10", "second", "third"]


def test_a_change_made_elsewhere_is_told_once(monkeypatch):
    choices.choices()
    told = threading.Semaphore(0)
    monkeypatch.setattr(choices, "on_change", told.release)

    choose("third", is_preloaded=True)
    choices.choices()

    assert told.acquire(timeout=10)
    choose("third", inference_ms=1.5)
    assert choices.choices()["third"].inference_ms == 1.5
    assert not told.acquire(timeout=0.1)


def test_a_change_while_the_choices_are_read_is_read_again(monkeypatch):
    read = choices._read

    def changed_meanwhile() -> list[ModelChoice]:
        rows = read()
        monkeypatch.setattr(choices, "_read", read)
        choose("toy", is_default=True)
        return rows

    monkeypatch.setattr(choices, "_read", changed_meanwhile)
    choices.forget()
    selection.default_model("detection")

    assert selection.default_model("detection").name == "toy"


def test_without_a_database_the_last_known_choices_remain(monkeypatch):
    choose("toy", is_default=True)
    assert selection.default_model("detection").name == "toy"
    reads = []

    def fail() -> None:
        reads.append(1)
        raise OperationalError("the database is down")

    monkeypatch.setattr(choices, "_read", fail)
    choices.forget()

    assert selection.default_model("detection").name == "toy"
    assert selection.default_model("detection").name == "toy"
    assert len(reads) == 1


def test_nobody_waits_for_a_slow_database(monkeypatch):
    choose("toy", is_default=True)
    assert set(choices.choices()) == {"toy"}
    begun, released = threading.Event(), threading.Event()

    def read_slowly() -> list[ModelChoice]:
        begun.set()
        released.wait(30)
        return []

    monkeypatch.setattr(choices, "_read", read_slowly)
    monkeypatch.setattr(choices, "_fresh_until_s", 0.0)
    slow = threading.Thread(target=choices.choices)
    slow.start()
    try:
        assert begun.wait(10)
        assert set(choices.choices()) == {"toy"}
        assert slow.is_alive()
    finally:
        released.set()
        slow.join(10)
    assert choices.choices() == {}


async def test_a_coroutine_gets_the_choices_read_last():
    assert choices.choices() == {}
