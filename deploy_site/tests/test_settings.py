"""Settings from environment variables, loaded in a separate process."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINT_SETTINGS = """
import json, django.conf
settings = django.conf.settings
print(json.dumps({name: getattr(settings, name) for name in NAMES}, default=str))
"""


class DictContaining(dict):
    """Equals any dictionary with at least these items."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and {**other, **self} == other


LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def settings_with(tmp_path: Path, *names: str, folder: Path = ROOT, **environment: str) -> dict:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    child = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS.replace("NAMES", repr(names))],
        cwd=folder,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "deploy_site.settings",
            "DATA_DIR": str(tmp_path),
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(child.stdout)


def test_an_env_file_with_a_byte_order_mark_is_read_completely(tmp_path):
    shutil.copytree(ROOT / "deploy_site", tmp_path / "deploy_site")
    tmp_path.joinpath(".env").write_bytes(b"\xef\xbb\xbfPORT=8123\r\n")

    found = settings_with(tmp_path, "PORT", folder=tmp_path, PYTHONPATH=str(ROOT))

    assert found["PORT"] == 8123


def test_defaults_are_local_and_secure(tmp_path):
    found = settings_with(tmp_path, "DEBUG", "HOST", "PORT", "DATABASES", "CACHES")

    assert (found["DEBUG"], found["HOST"], found["PORT"]) == (False, "127.0.0.1", 8000)
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    assert "LocMem" in found["CACHES"]["default"]["BACKEND"]


def test_the_secret_key_is_generated_once_and_private(tmp_path):
    first = settings_with(tmp_path, "SECRET_KEY")["SECRET_KEY"]
    second = settings_with(tmp_path, "SECRET_KEY")["SECRET_KEY"]

    assert first == second and len(first) >= 50
    assert tmp_path.joinpath("secret_key").stat().st_mode & 0o777 == 0o600


def test_concurrent_processes_agree_on_the_secret_key(tmp_path):
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: settings_with(tmp_path, "SECRET_KEY"), range(6)))

    assert len({each["SECRET_KEY"] for each in found}) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["secret_key"]


def test_probes_are_not_redirected_to_https(tmp_path):
    found = settings_with(tmp_path, "SECURE_REDIRECT_EXEMPT", HTTPS="true")

    assert found["SECURE_REDIRECT_EXEMPT"] == ["^livez$", "^readyz$", "^metrics$"]


def test_a_configured_secret_key_is_not_written_to_disk(tmp_path):
    assert settings_with(tmp_path, "SECRET_KEY", SECRET_KEY="given")["SECRET_KEY"] == "given"
    assert not tmp_path.joinpath("secret_key").exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {
                "HOST": "0.0.0.0",
                "PORT": "9000",
                "ALLOWED_HOSTS": "a.example,b.example",
                "MODEL_DIR": "/models",
                "ENGINE": "tensorflow",
                "HTTPS": "true",
                "COMPAT": "roboflow, doods",
                "LIMIT_CAMERAS": "7",
            },
            {
                "HOST": "0.0.0.0",
                "PORT": 9000,
                "DEBUG": False,
                "ALLOWED_HOSTS": [*LOOPBACK, "a.example", "b.example"],
                "MODEL_DIR": "/models",
                "ENGINE": "tensorflow",
                "SESSION_COOKIE_SECURE": True,
                "SECURE_SSL_REDIRECT": True,
                "COMPAT": ["roboflow", "doods"],
                "LIMITS": DictContaining(cameras=7, cameras_per_owner=3),
            },
        ),
        ({"DEBUG": "true", "COMPAT": ""}, {"DEBUG": True, "COMPAT": []}),
    ],
)
def test_the_environment_sets(tmp_path, variables, expected):
    assert settings_with(tmp_path, *expected, **variables) == expected


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PORT", "abc", "a whole number from 0 to 65535, received 'abc'"),
        ("PORT", "99999", "a whole number from 0 to 65535, received '99999'"),
        ("LIMIT_CAMERAS", "-1", "a whole number from 0, received '-1'"),
        ("HTTPS", "ture", "true or false, received 'ture'"),
        ("LOG_FORMAT", "xml", "one of line, json, received 'xml'"),
        ("COMPAT", "doods,frigate", "some of deepstack, doods, roboflow, open-inference"),
        ("THROTTLE_UPLOADS", "often", "such as 6000/min, received 'often'"),
        ("DATABASE_URL", "db", "such as postgres://user:password@host/name, received 'db'"),
        ("EMAIL_URL", "mail://me:secret@host", "such as smtp+tls://user:password@mail"),
    ],
)
def test_a_wrong_value_ends_the_command_with_one_sentence(tmp_path, variable, value, expected):
    command = [sys.executable, "manage.py", "check"]
    environment = {**os.environ, "DATA_DIR": str(tmp_path), variable: value}

    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert child.returncode == 1
    assert child.stderr.startswith(f"{variable} is set to a wrong value: expected {expected}")
    assert child.stderr.count("\n") == 1 and "secret" not in child.stderr


def test_a_python_without_the_packages_names_the_one_that_has_them():
    # -S: without site-packages.
    command = [sys.executable, "-S", "manage.py", "list_models", "--installed"]

    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert child.returncode == 1
    expected = ROOT / ".venv" / "bin" / "python"
    assert f"Run: {expected} manage.py list_models --installed (" in child.stderr
    assert child.stderr.count("\n") == 1


def test_postgres_and_redis_are_configured_by_url(tmp_path):
    found = settings_with(
        tmp_path,
        "DATABASES",
        "CACHES",
        DATABASE_URL="postgres://user:word@db:5432/vision",
        REDIS_URL="redis://cache:6379/0",
    )

    assert found["DATABASES"]["default"]["ENGINE"] == "web.postgresql"
    assert found["DATABASES"]["default"]["HOST"] == "db"
    assert found["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 20
    assert {cache["LOCATION"] for cache in found["CACHES"].values()} == {"redis://cache:6379/0"}
    assert found["CACHES"]["attempts"]["KEY_PREFIX"] == "attempts"


def test_every_variable_is_in_the_example_file():
    settings_text = ROOT.joinpath("deploy_site", "settings.py").read_text()
    example = ROOT.joinpath(".env.example").read_text()

    names = re.findall(r'\benv(?:\.\w+)?\("([A-Z_]+)"', settings_text)

    assert len(names) > 10
    assert [name for name in names if f"#{name}=" not in example] == []
