"""Fixtures for all tests: the shared data, where it is there, and a detector that needs none."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from ml_core.catalog.specs import VISION_SMALL
from ml_core.tests.toy_network import install_toy_network

# Tests start the jobs themselves.
settings.RUN_JOBS = False
# One cache of converted models for all runs, whose names say what they were made from.
settings.CONVERTED_DIR = settings.BASE_DIR / "var" / "test-converted"
SHARED_DIR = Path(os.environ.get("SHARED_DIR", Path(__file__).parent.parent / "shared")).resolve()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real weights, networks and pictures; a test that asks for them is skipped without."""
    if not SHARED_DIR.is_dir():
        pytest.skip(f"no shared data at {SHARED_DIR} (set SHARED_DIR)")
    return SHARED_DIR


@pytest.fixture(autouse=True)
def plain_static_files(settings) -> None:
    """Pages without collected static files; those are tested end to end."""
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}


@pytest.fixture(scope="session")
def converted_dir() -> Path:
    return settings.CONVERTED_DIR


@pytest.fixture(scope="session")
def toy_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model_dir = tmp_path_factory.mktemp("models")
    install_toy_network(model_dir)
    return model_dir


@pytest.fixture
def no_detector(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site with no detector at all: the shipped one is not there either."""
    settings.MODEL_DIR = tmp_path / "no models"
    settings.DETECTOR = ""
    nowhere = replace(VISION_SMALL, directory=tmp_path)
    monkeypatch.setattr("ml_core.catalog.installed.VISION_SMALL", nowhere)


@pytest.fixture
def patient(settings) -> None:
    """A visitor's patience is too short for a conversion on a busy machine."""
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 300}


@pytest.fixture
def toy_detector(settings, patient, toy_model_dir: Path, converted_dir: Path) -> None:
    """The site with the toy network as its only installed model."""
    settings.MODEL_DIR = toy_model_dir
    settings.CONVERTED_DIR = converted_dir
    settings.DETECTOR = ""
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"


@pytest.fixture
def real_detector(settings, patient, shared_dir: Path, converted_dir: Path) -> None:
    """The site with the trained networks of the shared data, in float32."""
    settings.MODEL_DIR = shared_dir / "models"
    settings.CONVERTED_DIR = converted_dir
    settings.DETECTOR = "yolo-fastest-1.1-xl"
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"
