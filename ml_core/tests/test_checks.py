import pytest
from django.core.checks import run_checks


def test_the_settings_as_they_are_pass():
    assert run_checks() == []


@pytest.mark.parametrize("name", ["ENGINE", "PRECISION"])
def test_an_engine_or_precision_that_does_not_exist_is_refused_with_the_choices(settings, name):
    setattr(settings, name, "turbo")

    (error,) = run_checks()

    assert f"{name} is 'turbo'; expected one of auto, " in error.msg
