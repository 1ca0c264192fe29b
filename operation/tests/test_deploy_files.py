"""The examples in ``deploy/`` are valid and consistent with the site."""

import configparser
import io
import re
from pathlib import Path
from typing import Any

import crossplane
import pytest
from django.conf import settings
from django.core.management import get_commands
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


class Repeated(dict):
    """Keeps all values of repeated keys, as systemd does."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self and isinstance(value, list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, dict_type=Repeated)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(DEPLOY.joinpath(name).read_text())
    return parser


def commands(text: str) -> list[str]:
    """The management commands in a text."""
    return re.findall(r"manage\.py (\w+)", text)


@pytest.mark.parametrize("name", ["vision.service", "vision-purge.service"])
def test_services_run_existing_commands_with_few_privileges(name):
    service = unit(name)["Service"]
    text = DEPLOY.joinpath(name).read_text()

    assert commands(text) and set(commands(text)) <= set(get_commands())
    assert service["User"] == "vision"
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == "true"
    assert service["ProtectSystem"] == "strict"


def test_the_service_waits_for_the_graceful_shutdown():
    service = unit("vision.service")["Service"]

    assert service["KillSignal"] == "SIGTERM"
    # The server waits 25 s for running requests.
    assert 25 < int(service["TimeoutStopSec"]) <= 60
    assert service["Restart"] == "always"


def test_the_timer_runs_the_purge_daily():
    timer = unit("vision-purge.timer")["Timer"]

    assert timer["OnCalendar"] == "*-*-* 04:00:00"
    assert commands(DEPLOY.joinpath("vision-purge.service").read_text()) == [
        "purge_media",
        "check_media",
    ]


def directives(block: list[dict], name: str) -> list[list[str]]:
    """The arguments of each directive of that name, at any depth."""
    found = [each["args"] for each in block if each["directive"] == name]
    return found + [args for each in block for args in directives(each.get("block", []), name)]


@pytest.fixture
def site(tmp_path: Path) -> list[dict]:
    """The nginx site, parsed with checks for unknown and misplaced directives."""
    # The context of a directive can only be checked inside of a complete configuration.
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"events {{}}\nhttp {{\n{DEPLOY.joinpath('nginx.conf').read_text()}\n}}\n")
    parsed = crossplane.parse(str(whole), strict=True)
    # The parser takes the entries of a map for directives.
    errors = [each["error"] for each in parsed["errors"]]
    in_map = ('unknown directive "default"', 'unknown directive ""')
    assert [error for error in errors if not error.startswith(in_map)] == []
    return parsed["config"][0]["parsed"]


def test_nginx_forwards_websockets_and_the_client_address(site):
    headers = {args[0]: args[1] for args in directives(site, "proxy_set_header")}

    assert headers == {
        "Host": "$host",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Request-ID": "$request_id",
        "Upgrade": "$http_upgrade",
        "Connection": "$connection_upgrade",
    }
    assert ["/ws/"] in directives(site, "location")


def test_nginx_allows_the_bodies_that_the_site_accepts(site):
    (size,) = directives(site, "client_max_body_size")

    assert int(size[0].removesuffix("m")) * 2**20 > settings.LIMITS["body_bytes"]


def test_nginx_uses_the_sites_port_and_hides_metrics(site):
    locations = directives(site, "location")

    assert [f"127.0.0.1:{settings.PORT}"] in directives(site, "server")
    assert ["=", "/metrics"] in locations and ["=", "/readyz"] in locations


def dockerfile() -> list[dict[str, str]]:
    # Parse from memory, as the parser writes to its file otherwise.
    parser = DockerfileParser(fileobj=io.BytesIO(DEPLOY.joinpath("Dockerfile").read_bytes()))
    return [each for each in parser.structure if each["instruction"] != "COMMENT"]


def test_the_image_runs_unprivileged_with_data_in_a_volume():
    found = {each["instruction"]: each["value"] for each in dockerfile()}

    assert dockerfile()[0]["instruction"] == "FROM"
    assert found["USER"] == "vision"
    assert found["VOLUME"] == "/data" and "DATA_DIR=/data" in found["ENV"]
    assert commands(found["CMD"]) == ["migrate", "collectstatic", "serve"]
    assert "/readyz" in found["HEALTHCHECK"]
    for source in ("requirements.txt", "."):
        assert (ROOT / source).exists()


def test_examples_only_use_variables_of_the_settings():
    known = ROOT.joinpath(".env.example").read_text()
    texts = [path.read_text() for path in (DEPLOY / "nginx.conf", ROOT / "docs" / "deployment.md")]
    used = {name for text in texts for name in re.findall(r"\b([A-Z]+_[A-Z_]+|HTTPS)=", text)}

    assert used and {name for name in used if f"#{name}=" not in known} == set()
