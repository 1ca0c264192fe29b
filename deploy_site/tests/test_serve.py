"""Tests of what ``manage.py serve`` does before it serves."""

import io
import socket
import webbrowser

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
