"""Types of command-line arguments."""

from argparse import ArgumentTypeError


def unit_interval(text: str) -> float:
    """A number from 0 to 1. Raises ``ArgumentTypeError``, and ``ValueError`` if it is no number."""
    number = float(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"expected a number from 0 to 1, received {text}")
    return number
