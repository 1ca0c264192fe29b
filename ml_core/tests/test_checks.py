import pytest
from django.core.checks import run_checks


def test_the_default_settings_are_valid():
    assert run_checks() == []


@pytest.mark.parametrize("name", ["ENGINE", "PRECISION"])
def test_an_unknown_engine_or_precision_is_refused_with_the_choices(settings, name):
    setattr(settings, name, "turbo")

    (error,) = run_checks()

    assert f"{name} is 'turbo'; expected one of auto, " in error.msg
