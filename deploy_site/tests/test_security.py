"""Security settings in production and development, and client addresses."""

import os
import subprocess
import sys
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deploy_site.tests.test_settings import ROOT, settings_with

PRODUCTION = {"HTTPS": "true", "ALLOWED_HOSTS": "vision.example.org"}

EVERYWHERE = {
    "SESSION_COOKIE_SAMESITE": "Lax",
    "SESSION_COOKIE_HTTPONLY": True,
    "X_FRAME_OPTIONS": "DENY",
    "SECURE_CONTENT_TYPE_NOSNIFF": True,
    "SECURE_REFERRER_POLICY": "same-origin",
    "DATA_UPLOAD_MAX_MEMORY_SIZE": 15 * 10**6,
    "DATA_UPLOAD_MAX_NUMBER_FILES": 2,
    "DATA_UPLOAD_MAX_NUMBER_FIELDS": 200,
    "FILE_UPLOAD_MAX_MEMORY_SIZE": 2**20,
    "FILE_UPLOAD_PERMISSIONS": 0o640,
    "FILE_UPLOAD_DIRECTORY_PERMISSIONS": 0o750,
    "AXES_FAILURE_LIMIT": 5,
    "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
    "AXES_RESET_ON_SUCCESS": True,
}
# Settings that differ in development, without and with HTTPS.
BY_SITE = [
    (
        {"DEBUG": "true"},
        {
            "DEBUG": True,
            "SECURE_SSL_REDIRECT": False,
            "SESSION_COOKIE_SECURE": False,
            "CSRF_COOKIE_SECURE": False,
            "SECURE_HSTS_SECONDS": 0,
            "SECURE_PROXY_SSL_HEADER": None,
        },
    ),
    (
        PRODUCTION,
        {
            "DEBUG": False,
            "SECURE_SSL_REDIRECT": True,
            "SESSION_COOKIE_SECURE": True,
            "CSRF_COOKIE_SECURE": True,
            "SECURE_HSTS_SECONDS": 3600,
            "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
        },
    ),
]


def deploy_check(tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**kept, "DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
    )


def test_the_deployment_check_passes_in_production(tmp_path):
    child = deploy_check(tmp_path, **PRODUCTION)

    assert child.returncode == 0, child.stderr


def test_the_deployment_check_fails_with_debug(tmp_path):
    child = deploy_check(tmp_path, DEBUG="true")

    assert child.returncode == 1
    assert "security.W018" in child.stderr


def test_a_wildcard_in_allowed_hosts_is_rejected(tmp_path, settings):
    settings.ALLOWED_HOSTS = ["localhost", "*"]

    assert [each.id for each in run_checks() if each.id == "operation.E001"] == ["operation.E001"]
    assert deploy_check(tmp_path, **{**PRODUCTION, "ALLOWED_HOSTS": "*"}).returncode == 1


@pytest.mark.parametrize(("environment", "different"), BY_SITE)
def test_security_settings_have_the_expected_values(tmp_path, environment, different):
    expected = {**EVERYWHERE, **different}

    assert settings_with(tmp_path, *expected, **environment) == expected


def test_sqlite_waits_for_locks_and_requests_are_not_atomic(tmp_path):
    database = settings_with(tmp_path, "DATABASES")["DATABASES"]["default"]

    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert not database.get("ATOMIC_REQUESTS") and not database.get("CONN_MAX_AGE")


def test_temporary_uploads_are_on_the_disk_of_the_media(tmp_path):
    found = settings_with(tmp_path, "FILE_UPLOAD_TEMP_DIR", "MEDIA_ROOT")

    folders = found["FILE_UPLOAD_TEMP_DIR"], found["MEDIA_ROOT"]
    assert folders == (str(tmp_path / "tmp"), str(tmp_path / "media"))
    assert (tmp_path / "tmp").is_dir()


def test_forwarded_for_headers_of_clients_are_ignored(client, db):
    """Otherwise each sign-in attempt could claim a new address."""
    User.objects.create_user("anna", password="right-password-1")
    statuses = []
    for number in range(7):
        claimed = {"x-forwarded-for": f"10.0.0.{number}", "x-real-ip": f"10.0.0.{number}"}
        body = {"username": "anna", "password": "wrong"}
        statuses.append(client.post("/accounts/sign-in/", body, headers=claimed).status_code)

    assert statuses[-1] == 429


async def client_behind(proxies: list[str], forwarded_for: bytes) -> str:
    seen = []

    async def application(scope, receive, send) -> None:
        seen.append(scope["client"][0])

    scope = {
        "type": "http",
        "scheme": "http",
        "client": ("127.0.0.1", 5),
        "headers": [(b"x-forwarded-for", forwarded_for)],
    }
    await ProxyHeadersMiddleware(application, proxies)(scope, None, None)
    return seen[0]


async def test_forwarded_for_is_trusted_only_from_configured_proxies():
    claimed_and_real = b"1.2.3.4, 203.0.113.9"

    assert await client_behind(["127.0.0.1"], claimed_and_real) == "203.0.113.9"
    assert await client_behind(["10.0.0.1"], claimed_and_real) == "127.0.0.1"


@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]])
def test_the_server_trusts_proxies_only_with_trusted_proxies(
    db, settings, tmp_path, monkeypatch, proxies
):
    from deploy_site.management.commands import serve

    configs = []
    server = Mock(started=True)
    monkeypatch.setattr(serve, "Server", lambda config: configs.append(config) or server)
    monkeypatch.setattr(serve.uvicorn.Config, "load_app", lambda config: None)
    monkeypatch.setattr(serve, "call_command", lambda *_, **__: None)
    settings.TRUSTED_PROXIES = proxies
    settings.DATA_DIR, settings.PORT = tmp_path, 0

    serve.Command().handle(https=False, open=False)

    (config,) = configs
    assert (config.proxy_headers, config.forwarded_allow_ips) == (bool(proxies), proxies)
