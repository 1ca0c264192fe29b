"""Tests of what ``manage.py serve`` does before it serves."""

import io
import socket
import webbrowser
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command

from deploy_site.browser import open_once_served


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The URLs that were opened in the browser."""
    urls: list[str] = []
    monkeypatch.setattr(webbrowser, "open", urls.append)
    return urls


def test_a_port_in_use_is_an_error_that_names_the_setting(settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings.PORT = other.getsockname()[1]

        with pytest.raises(CommandError, match=r"in use\. .* set another PORT"):
            call_command("serve", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_a_site_that_is_running_already_is_opened_instead_of_served(settings, live_server, opened):
    settings.OWN_URL = live_server.url
    output = io.StringIO()

    call_command("serve", "--open", stdout=output)

    assert opened == [f"{live_server.url}/"]
    assert "already running" in output.getvalue()


def test_the_browser_opens_only_once_the_site_answers(opened, monkeypatch):
    answers = iter([False, False, True])
    monkeypatch.setattr("deploy_site.browser.is_served", lambda url: next(answers))

    open_once_served("http://127.0.0.1:8000").join(10)

    assert opened == ["http://127.0.0.1:8000/"]
    assert next(answers, None) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("host", "names", "expected", "unexpected"),
    [
        ("0.0.0.0", [], "such as ALLOWED_HOSTS=10.0.0.7", "requests to"),
        ("0.0.0.0", ["photos.example"], "requests to: photos.example", "such as"),
        ("127.0.0.1", [], "Serving at http://127.0.0.1", "ALLOWED_HOSTS"),
    ],
)
def test_serving_other_machines_says_which_names_they_may_use(
    settings, monkeypatch, host, names, expected, unexpected
):
    settings.HOST, settings.PORT = host, 0
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *names]
    command = "deploy_site.management.commands.serve"
    monkeypatch.setattr(f"{command}.lan_addresses", lambda: ["10.0.0.7"])
    monkeypatch.setattr(f"{command}.create_reserve", lambda: None)
    monkeypatch.setattr("uvicorn.Config.load_app", lambda config: None)
    monkeypatch.setattr(f"{command}.Server", lambda config: Mock(started=True))
    output = io.StringIO()

    call_command("serve", stdout=output)

    assert expected in output.getvalue()
    assert unexpected not in output.getvalue()
