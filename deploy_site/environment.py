"""Environment variables; a value that a setting cannot have ends the program with one sentence."""

import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")

BOOLEANS = {"true": True, "on": True, "yes": True, "1": True}
BOOLEANS |= {"false": False, "off": False, "no": False, "0": False}


class Environment(environ.Env):
    """``environ.Env`` with checked values; an empty variable counts as missing."""

    def number(self, name: str, default: int, most: int = 2**62) -> int:
        """A whole number from 0 to ``most``."""

        def parse(text: str) -> int:
            number = int(text)
            if not 0 <= number <= most:
                raise ValueError
            return number

        expected = f"a whole number from 0{f' to {most}' if most < 2**62 else ''}"
        return self._parsed(name, parse, expected, default)

    def flag(self, name: str, default: bool) -> bool:
        """A truth value."""
        return self._parsed(name, lambda text: BOOLEANS[text.lower()], "true or false", default)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``."""
        known = {choice: choice for choice in choices}
        return self._parsed(name, known.__getitem__, f"one of {', '.join(choices)}", default)

    def choices(self, name: str, choices: tuple[str, ...]) -> list[str]:
        """Any of ``choices``, separated by commas; none by default."""

        def parse(text: str) -> list[str]:
            chosen = [part.strip() for part in text.split(",")]
            if not set(chosen) <= set(choices):
                raise ValueError
            return list(dict.fromkeys(chosen))

        return self._parsed(name, parse, f"some of {', '.join(choices)}", [])

    def database(self, name: str, default: dict[str, Any]) -> dict[str, Any]:
        """A database of Django, from its URL."""

        def parse(text: str) -> dict[str, Any]:
            with warnings.catch_warnings():
                # Of an unknown kind of database.
                warnings.simplefilter("error")
                return dict(self.db_url_config(text))

        return self._parsed(name, parse, "such as postgres://user:password@host/name", default)

    def mail(self, name: str) -> dict[str, Any]:
        """Django's settings of a mail server, from its URL; none without one."""
        expected = "such as smtp+tls://user:password@mail.example.org:587"
        return self._parsed(name, lambda text: dict(self.email_url_config(text)), expected, {})

    def rate(self, name: str, default: str) -> str | None:
        """A rate of requests; None, which is no limit, if the variable is empty."""
        text = str(self(name, default=default))
        if text and not re.fullmatch(r"\d+/[smhd]\w*", text):
            _refuse(name, "such as 6000/min", text)
        return text or None

    def _parsed(
        self, name: str, parse: Callable[[str], Value], expected: str, default: Value
    ) -> Value:
        text = str(self(name, default="")).strip()
        if not text:
            return default
        try:
            return parse(text)
        except (ValueError, KeyError, UserWarning, ImproperlyConfigured):
            _refuse(name, expected, text)


def _refuse(name: str, expected: str, text: str) -> NoReturn:
    # URLs contain passwords.
    received = "a URL of another form" if "@" in text else repr(text)
    sys.exit(
        f"{name} is set to a wrong value: expected {expected}, received {received}. "
        "It is set in the environment or in the file .env."
    )
