"""Typed access to the keys of a TOML table, with errors for the person who wrote it."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ml_core.catalog.formats import ModelFileError

_REQUIRED: Any = object()


class Table:
    """A table of a TOML file. All methods raise ``ModelFileError`` for a missing or wrong value.

    Without a ``default`` a key is required. ``refuse_unknown`` names keys that were never read.
    """

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values = dict(values)
        self._place = place

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        """The value of ``key``, of any type."""
        value = self._values.pop(key, default)
        if value is _REQUIRED:
            raise ModelFileError(f"{self._place}: {key} is missing.")
        return value

    def text(self, key: str, default: str = _REQUIRED) -> str:
        value = self.take(key, default)
        return self._checked(key, value, isinstance(value, str), "text in quotes")

    def flag(self, key: str, default: bool = _REQUIRED) -> bool:
        value = self.take(key, default)
        return self._checked(key, value, isinstance(value, bool), "true or false")

    def choice(self, key: str, choices: Sequence[str], default: str = _REQUIRED) -> Any:
        value = self.take(key, default)
        return self._checked(key, value, value in choices, f"one of {', '.join(choices)}")

    def whole(self, key: str, low: int, high: int, default: int = _REQUIRED) -> int:
        value = self.take(key, default)
        fits = type(value) is int and low <= value <= high
        return self._checked(key, value, fits, f"a whole number from {low} to {high}")

    def number(self, key: str, default: float | None = _REQUIRED) -> float | None:
        value = self.take(key, default)
        fits = value is None or _is_number(value)
        return self._checked(key, value, fits, "a number")

    def numbers(self, key: str, count: int, default: Any = _REQUIRED) -> tuple[float, ...]:
        """A list of ``count`` numbers, or an empty one where that is the default."""
        value = self.take(key, default)
        counts = (count, 0) if default == () else (count,)
        fits = isinstance(value, list | tuple) and len(value) in counts
        fits = fits and all(map(_is_number, value))
        return tuple(self._checked(key, value, fits, f"a list of {count} numbers"))

    def texts(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        value = self.take(key, default)
        fits = isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)
        return tuple(self._checked(key, value, fits, "a list of texts in quotes"))

    def table(self, key: str) -> "Table":
        value = self.take(key)
        fits = isinstance(value, dict)
        return Table(self._checked(key, value, fits, "a table"), f"{self._place} [{key}]")

    def refuse_unknown(self) -> None:
        if self._values:
            raise ModelFileError(f"{self._place}: unknown {', '.join(sorted(self._values))}.")

    def _checked(self, key: str, value: Any, is_valid: bool, expected: str) -> Any:
        if not is_valid:
            raise ModelFileError(
                f"{self._place}: {key} must be {expected}, received {str(value)[:80]!r}."
            )
        return value


def _is_number(value: Any) -> bool:
    """Whether it is a finite number, and no integer too large for a float."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
