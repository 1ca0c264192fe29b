"""The examples in ``deploy/`` are valid and consistent with the site."""

import configparser
import io
import re
from pathlib import Path
from typing import Any

import crossplane
import pytest
import yaml
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


SERVICES = ["vision.service", "vision@.service", "vision-work@.service", "vision-prepare.service"]


@pytest.mark.parametrize("name", [*SERVICES, "vision-purge.service"])
def test_services_run_existing_commands_with_few_privileges(name):
    service = unit(name)["Service"]
    text = DEPLOY.joinpath(name).read_text()

    assert commands(text) and set(commands(text)) <= set(get_commands())
    assert service["User"] == "vision"
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == "true"
    assert service["ProtectSystem"] == "strict"
    assert service["ProtectHome"] == service["PrivateDevices"] == "true"
    assert service["StateDirectory"] == service["CacheDirectory"] == "vision"


@pytest.mark.parametrize("name", SERVICES[:3])
def test_the_services_wait_for_the_graceful_shutdown(name):
    service = unit(name)["Service"]

    assert service["KillSignal"] == "SIGTERM"
    # The server waits 25 s for running requests.
    assert 25 < int(service["TimeoutStopSec"]) <= 60
    assert service["Restart"] == "always"
    # A child that runs out of memory does not stop the service.
    assert service["OOMPolicy"] == "continue"


@pytest.mark.parametrize("name", SERVICES[1:3])
def test_one_of_several_processes_starts_once_the_site_is_prepared(name):
    service = unit(name)

    assert service["Unit"]["Requires"] == "vision-prepare.service"
    assert "vision-prepare.service" in service["Unit"]["After"]
    # Then no process prepares the site itself.
    assert "ExecStartPre" not in service["Service"]


def test_the_site_is_prepared_once_the_database_of_the_machine_responds():
    prepare = unit("vision-prepare.service")

    assert {"postgresql.service", "redis-server.service"} <= set(prepare["Unit"]["After"].split())
    assert "until" in prepare["Service"]["ExecStart"]
    assert prepare["Service"]["TimeoutStartSec"] == "infinity"


def test_several_web_processes_leave_the_work_on_videos_to_others():
    started = unit("vision@.service")["Service"]["ExecStart"]

    assert "PORT=%i RUN_JOBS=false" in started and commands(started) == ["serve"]


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


def test_nginx_logs_no_queries(site):
    (http,) = (each["block"] for each in site if each["directive"] == "http")
    servers = [each["block"] for each in http if each["directive"] == "server"]

    for server in servers:
        logs = [each["args"] for each in server if each["directive"] == "access_log"]
        assert [log[1:] for log in logs] == [["without_query"]]
    assert len(servers) == 2


def dockerfile() -> list[dict[str, str]]:
    # Parse from memory, as the parser writes to its file otherwise.
    parser = DockerfileParser(fileobj=io.BytesIO(DEPLOY.joinpath("Dockerfile").read_bytes()))
    return [each for each in parser.structure if each["instruction"] != "COMMENT"]


def test_the_image_runs_unprivileged_with_data_in_a_volume():
    found = {each["instruction"]: each["value"] for each in dockerfile()}

    assert dockerfile()[0]["instruction"] == "FROM"
    assert found["USER"] == "vision"
    assert found["VOLUME"] == "/data" and "DATA_DIR=/data" in found["ENV"]
    assert commands(found["CMD"]) == ["prepare", "serve"]
    assert "/readyz" in found["HEALTHCHECK"]
    for source in ("requirements.txt", "."):
        assert (ROOT / source).exists()


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_the_composed_site_has_two_web_processes_and_a_worker(compose):
    own = {name: each for name, each in compose.items() if each["image"] == "vision"}
    started = {name: commands(" ".join(each["command"])) for name, each in own.items()}

    assert started == {"prepare": ["prepare"], "web": ["serve"], "worker": ["work"]}
    assert compose["web"]["deploy"]["replicas"] == 2
    for name in ("web", "worker"):
        assert own[name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
        assert own[name]["environment"]["RUN_JOBS"] == "false"
        # The server waits 25 s for running requests.
        assert own[name]["stop_grace_period"] == "35s"
        assert own[name]["volumes"] == ["data:/data"]


def test_the_composed_proxy_passes_on_to_the_web_processes(compose):
    replaced = dict(re.findall(r"\bs/([^/]+)/([^/]+)/", compose["proxy"]["command"][-1]))

    for text in replaced:
        assert text in (DEPLOY / "nginx.conf").read_text()
    upstream = replaced[f"server 127.0.0.1:{settings.PORT};"]
    # Their addresses change when they are created again.
    assert "resolver 127.0.0.11 " in upstream and "server web:8000 resolve;" in upstream


def test_the_composed_site_starts_while_its_models_are_loaded_or_away(compose):
    assert compose["proxy"]["depends_on"]["web"]["condition"] == "service_healthy"
    assert "/livez" in compose["web"]["healthcheck"]["test"][-1]


def test_examples_only_use_variables_of_the_settings():
    known = ROOT.joinpath(".env.example").read_text()
    texts = [path.read_text() for path in (DEPLOY / "nginx.conf", ROOT / "docs" / "deployment.md")]
    used = {name for text in texts for name in re.findall(r"\b([A-Z]+_[A-Z_]+|HTTPS)=", text)}

    assert used and {name for name in used if f"#{name}=" not in known} == set()
