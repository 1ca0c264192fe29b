import pytest
from django.core.checks import run_checks


def test_the_default_settings_are_valid():
    assert run_checks() == []


@pytest.mark.parametrize("name", ["ENGINE", "ENGINE_DECODE", "PRECISION"])
def test_an_unknown_engine_or_precision_is_refused_with_the_choices(settings, name):
    setattr(settings, name, "turbo")

    (error,) = run_checks()

    assert f"{name} is 'turbo'; expected one of " in error.msg


@pytest.mark.parametrize(
    "targets",
    [
        ["10.0.0.11:9000"],
        ["10.0.0.11:9000", "10.0.0.12:9000"],
        ["[::1]:9000", "[::2]:9000"],
        ["nodes.example.org:9000"],
    ],
)
def test_servers_of_the_remote_engine_are_addresses_or_one_name(settings, targets):
    settings.ENGINE, settings.ENGINE_TARGETS = "remote", targets

    assert run_checks() == []


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ([], "it is empty; expected host:port"),
        (["10.0.0.11"], "'10.0.0.11' is not host:port"),
        (["10.0.0.11:0"], "'10.0.0.11:0' is not host:port"),
        (["10.0.0.11:many"], "'10.0.0.11:many' is not host:port"),
        (["a.example:9000", "b.example:9000"], "IP addresses of the same version, or one name"),
        (["10.0.0.11:9000", "[::1]:9000"], "IP addresses of the same version, or one name"),
    ],
)
def test_other_servers_of_the_remote_engine_are_refused(settings, targets, reason):
    settings.ENGINE, settings.ENGINE_TARGETS = "remote", targets

    (error,) = run_checks()

    assert reason in error.msg
